#include "cli/tokenize_request.h"

#include <simdjson.h>

#include <limits>
#include <utility>

#include "cli/strings.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

constexpr size_t kMaxDepth = 32;  // The same as for other JSON lines.

std::string_view TypeName(element_type type) {
  switch (type) {
    case element_type::ARRAY: return "an array";
    case element_type::OBJECT: return "an object";
    case element_type::STRING: return "a string";
    case element_type::BOOL: return "a boolean";
    case element_type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

// A member and its name in messages.
struct Member {
  std::string name;
  element value;

  Error Expected(std::string_view what) const {
    return InvalidInput('"', name, "\" is ", TypeName(value.type()), ", expected ", what);
  }
  bool is_null() const { return value.is_null(); }

  Result<std::string> AsString() const {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return Expected("a string");
    return std::string(text);
  }
  Result<bool> AsBool() const {
    bool flag = false;
    if (value.get(flag) != simdjson::SUCCESS) return Expected("true or false");
    return flag;
  }
  Result<int64_t> AsInt() const {
    int64_t number = 0;
    if (value.get(number) != simdjson::SUCCESS) return Expected("a whole number");
    return number;
  }
  Result<object> AsObject() const {
    object members;
    if (value.get(members) != simdjson::SUCCESS) return Expected("an object");
    return members;
  }
  Result<simdjson::dom::array> AsArray() const {
    simdjson::dom::array elements;
    if (value.get(elements) != simdjson::SUCCESS) return Expected("an array");
    return elements;
  }
};

// Of duplicates the last one counts, as in Python's json.
std::optional<Member> Find(const object& members, std::string_view key, std::string_view in = "") {
  std::optional<Member> found;
  for (const auto field : members) {
    if (field.key == key) found = {StrCat(in, in.empty() ? "" : ".", key), field.value};
  }
  return found;
}

Result<Member> Get(const object& members, std::string_view key, std::string_view in = "") {
  auto found = Find(members, key, in);
  if (!found) return InvalidInput('"', in, in.empty() ? "" : ".", key, "\" is missing");
  return std::move(*found);
}

// The position of the member's value in `names`; 0 when it is missing.
Result<size_t> GetName(const object& members, std::string_view key, std::string_view in,
                       std::initializer_list<std::string_view> names) {
  const auto member = Find(members, key, in);
  if (!member) return size_t{0};
  AKIN_TRY_ASSIGN(const std::string name, member->AsString());
  std::string expected;
  for (const std::string_view& known : names) {
    if (name == known) return static_cast<size_t>(&known - names.begin());
    expected += StrCat(expected.empty() ? "" : " or ", known);
  }
  return InvalidInput('"', member->name, "\" is ", name, ", expected ", expected);
}

Result<int64_t> GetInt(const object& members, std::string_view key, std::string_view in,
                       int64_t missing) {
  const auto member = Find(members, key, in);
  if (!member || member->is_null()) return missing;
  return member->AsInt();
}

Result<int32_t> GetId(const object& members, std::string_view key, std::string_view in) {
  AKIN_TRY_ASSIGN(const int64_t id, GetInt(members, key, in, 0));
  if (id >= 0 && id <= std::numeric_limits<int32_t>::max()) return static_cast<int32_t>(id);
  return InvalidInput('"', in, '.', key, "\" is ", id, ", which is no id");
}

Result<Truncation> ReadTruncation(const Member& member) {
  constexpr std::string_view kIn = "truncation";
  AKIN_TRY_ASSIGN(const object members, member.AsObject());
  Truncation truncation;
  AKIN_TRY_ASSIGN(const Member max_length, Get(members, "max_length", kIn));
  AKIN_TRY_ASSIGN(truncation.max_length, max_length.AsInt());
  AKIN_TRY_ASSIGN(truncation.stride, GetInt(members, "stride", kIn, 0));
  AKIN_TRY_ASSIGN(const size_t strategy,
                  GetName(members, "strategy", kIn, {"LongestFirst", "OnlyFirst", "OnlySecond"}));
  truncation.strategy = static_cast<TruncationStrategy>(strategy);
  AKIN_TRY_ASSIGN(const size_t side, GetName(members, "direction", kIn, {"Right", "Left"}));
  truncation.side = side == 0 ? TruncationSide::kRight : TruncationSide::kLeft;
  return truncation;
}

Result<Padding> ReadPadding(const Member& member) {
  constexpr std::string_view kIn = "padding";
  AKIN_TRY_ASSIGN(const object members, member.AsObject());
  Padding padding;
  AKIN_TRY_ASSIGN(const Member strategy, Get(members, "strategy", kIn));
  if (strategy.value.is_object()) {
    AKIN_TRY_ASSIGN(const object fixed, strategy.AsObject());
    AKIN_TRY_ASSIGN(const Member length, Get(fixed, "Fixed", strategy.name));
    AKIN_TRY_ASSIGN(padding.length, length.AsInt());
  } else {
    AKIN_TRY(GetName(members, "strategy", kIn, {"BatchLongest"}));
  }
  AKIN_TRY_ASSIGN(const size_t direction, GetName(members, "direction", kIn, {"Right", "Left"}));
  padding.on_left = direction == 1;
  AKIN_TRY_ASSIGN(padding.multiple_of, GetInt(members, "pad_to_multiple_of", kIn, 0));
  AKIN_TRY_ASSIGN(padding.id, GetId(members, "pad_id", kIn));
  AKIN_TRY_ASSIGN(padding.type_id, GetId(members, "pad_type_id", kIn));
  if (const auto token = Find(members, "pad_token", kIn)) {
    AKIN_TRY_ASSIGN(padding.token, token->AsString());
  }
  return padding;
}

Result<EncodeOptions> ReadOptions(const object& members) {
  EncodeOptions options = {.with_offsets = true, .with_overflowing = true};
  if (const auto add = Find(members, "add_special_tokens")) {
    AKIN_TRY_ASSIGN(options.add_special_tokens, add->AsBool());
  }
  if (const auto truncation = Find(members, "truncation")) {
    options.truncation = Off{};
    if (!truncation->is_null()) {
      AKIN_TRY_ASSIGN(options.truncation, ReadTruncation(*truncation));
    }
  }
  if (const auto padding = Find(members, "padding")) {
    options.padding = Off{};
    if (!padding->is_null()) {
      AKIN_TRY_ASSIGN(options.padding, ReadPadding(*padding));
    }
  }
  return options;
}

Result<std::vector<std::string>> ReadTexts(const Member& member) {
  AKIN_TRY_ASSIGN(const simdjson::dom::array elements, member.AsArray());
  std::vector<std::string> texts;
  for (const element value : elements) {
    const Member text = {StrCat("texts[", texts.size(), ']'), value};
    AKIN_TRY_ASSIGN(std::string read, text.AsString());
    texts.push_back(std::move(read));
  }
  return texts;
}

// Ids that no token can have stay unknown ones.
Result<std::vector<int32_t>> ReadIds(const Member& member) {
  AKIN_TRY_ASSIGN(const simdjson::dom::array elements, member.AsArray());
  std::vector<int32_t> ids;
  for (const element value : elements) {
    const Member id = {StrCat("decode_ids[", ids.size(), ']'), value};
    AKIN_TRY_ASSIGN(const int64_t number, id.AsInt());
    if (number < 0) return InvalidInput('"', id.name, "\" is ", number, ", which is no id");
    ids.push_back(number > std::numeric_limits<int32_t>::max() ? -1 : static_cast<int32_t>(number));
  }
  return ids;
}

Result<TokenizeRequest> ReadRequest(const object& members) {
  TokenizeRequest request;
  AKIN_TRY_ASSIGN(const size_t op,
                  GetName(members, "op", "", {"encode", "encode_batch", "decode"}));
  request.op = static_cast<TokenizeOp>(op);
  AKIN_TRY_ASSIGN(request.options, ReadOptions(members));
  if (request.op == TokenizeOp::kEncode) {
    AKIN_TRY_ASSIGN(const Member text, Get(members, "text"));
    AKIN_TRY_ASSIGN(request.text, text.AsString());
    const auto pair = Find(members, "pair");
    if (pair && !pair->is_null()) {
      AKIN_TRY_ASSIGN(request.pair, pair->AsString());
    }
  } else if (request.op == TokenizeOp::kEncodeBatch) {
    AKIN_TRY_ASSIGN(const Member texts, Get(members, "texts"));
    AKIN_TRY_ASSIGN(request.texts, ReadTexts(texts));
  } else {
    AKIN_TRY_ASSIGN(const Member ids, Get(members, "decode_ids"));
    AKIN_TRY_ASSIGN(request.decode_ids, ReadIds(ids));
    if (const auto skip = Find(members, "skip_special_tokens")) {
      AKIN_TRY_ASSIGN(request.skip_special_tokens, skip->AsBool());
    }
  }
  return request;
}

// The end of the string that begins at line[at], a quotation mark.
size_t EndOfString(std::string_view line, size_t at) {
  for (++at; at < line.size() && line[at] != '"'; ++at) at += line[at] == '\\';
  return std::min(at + 1, line.size());
}

bool IsScalar(std::string_view json) {
  static thread_local simdjson::dom::parser parser;
  element value;
  return parser.parse(json.data(), json.size()).get(value) == simdjson::SUCCESS &&
         !value.is_array() && !value.is_object();
}

// The id as it stands in the line. Also for a line that is no JSON further on: whoever waits for
// the answer should hear that it was refused.
std::string FindId(std::string_view line) {
  std::string id = "null";
  int depth = 0;
  for (size_t at = 0; at < line.size();) {
    const char c = line[at];
    if (c != '"') {
      depth += c == '{' || c == '[';
      depth -= c == '}' || c == ']';
      ++at;
      continue;
    }
    const size_t end = EndOfString(line, at);
    const std::string_view key = line.substr(at, end - at);
    at = end;
    if (depth != 1 || key != "\"id\"") continue;
    const size_t colon = line.find_first_not_of(" \t", at);
    if (colon == line.npos || line[colon] != ':') continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    if (begin == line.npos) break;
    at = line[begin] == '"' ? EndOfString(line, begin)
                            : std::min(line.find_first_of(" \t,}{[]", begin), line.size());
    const std::string_view value = line.substr(begin, at - begin);
    if (IsScalar(value)) id = value;
  }
  return id;
}

}  // namespace

struct TokenizeRequestParser::Impl {
  simdjson::dom::parser parser;

  Result<TokenizeRequest> Parse(std::string_view line, size_t readable) {
    if (!simdjson::validate_utf8(line.data(), line.size())) {
      return InvalidInput("not UTF-8 at byte ", FindInvalidUtf8(line).value_or(0) + 1);
    }
    if (const auto code = parser.allocate(line.size(), kMaxDepth)) {
      return InvalidInput(simdjson::error_message(code));
    }
    element root;
    const bool copy = readable < simdjson::SIMDJSON_PADDING;
    if (const auto code = parser.parse(line.data(), line.size(), copy).get(root)) {
      return InvalidInput("not JSON: ", simdjson::error_message(code));
    }
    object members;
    if (root.get(members) != simdjson::SUCCESS) {
      return InvalidInput("the line is ", TypeName(root.type()), ", expected an object");
    }
    return ReadRequest(members);
  }
};

TokenizeRequestParser::TokenizeRequestParser() : impl_(std::make_unique<Impl>()) {}
TokenizeRequestParser::~TokenizeRequestParser() = default;

ParsedRequest TokenizeRequestParser::Parse(std::string_view line, size_t readable) {
  auto request = impl_->Parse(line, readable);
  return {.id = FindId(line), .request = std::move(request)};
}

}  // namespace akin::cli
