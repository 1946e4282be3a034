// simdjson's On-Demand interface gives the tokens. It checks only what is visited, so everything
// is visited: its first stage checks UTF-8 and closed strings of the whole text, its iterators the
// structure, and this file numbers, literals, escapes and depth. Recursion ends at max_depth.
#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "formats/json_tree.h"

namespace akin::formats {
namespace {

namespace ondemand = simdjson::ondemand;

// A part of the document's text.
struct TextRange {
  uint32_t begin = 0;
  uint32_t size = 0;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// JSON's number: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
bool IsJsonNumber(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  const auto digits = [&] {
    const char* const first = p;
    while (p != end && IsDigit(*p)) ++p;
    return p != first;
  };
  if (p != end && *p == '-') ++p;
  const bool leading_zero = p != end && *p == '0';
  const char* const integer = p;
  if (!digits() || (leading_zero && p - integer > 1)) return false;
  if (p != end && *p == '.') {
    ++p;
    if (!digits()) return false;
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return false;
  }
  return p == end;
}

// The value of four hexadecimal digits, or -1. Reads no further than the first other character.
int ReadHex4(const char* p) {
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const char lower = static_cast<char>(p[i] | 0x20);
    if (IsDigit(p[i])) {
      value = value * 16 + (p[i] - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + (lower - 'a' + 10);
    } else {
      return -1;
    }
  }
  return value;
}

// Reads `XXXX` or `XXXX\uXXXX` (a surrogate pair) behind a `\u` at `p`. Advances `p`; -1 on an
// error, which half a pair is.
int64_t ReadUnicodeEscape(const char*& p) {
  const int unit = ReadHex4(p);
  if (unit < 0) return -1;
  p += 4;
  if (unit < 0xD800 || unit > 0xDFFF) return unit;
  if (unit > 0xDBFF || p[0] != '\\' || p[1] != 'u') return -1;
  const int low = ReadHex4(p + 2);
  if (low < 0xDC00 || low > 0xDFFF) return -1;
  p += 6;
  return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

char SimpleEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return '\0';
  }
}

// Unescapes the string that begins at `text`, behind its opening quote, in its own place: the
// unescaped form is never longer. A closing quote is there (simdjson's first stage has checked it).
// Returns the end of the unescaped string, or null for a wrong escape.
char* UnescapeInPlace(char* text) {
  const char* in = text;
  char* out = text;
  while (*in != '"') {
    if (*in != '\\') {
      *out++ = *in++;
      continue;
    }
    const char kind = in[1];
    in += 2;
    if (kind == 'u') {
      const int64_t code_point = ReadUnicodeEscape(in);
      if (code_point < 0) return nullptr;
      out += EncodeUtf8(static_cast<char32_t>(code_point), out);
    } else {
      *out = SimpleEscape(kind);
      if (*out++ == '\0') return nullptr;
    }
  }
  return out;
}

// No document has more values: but for the root, each stands behind a comma or behind the opener of
// an array or object that is not empty.
size_t MaxNodes(std::string_view text) {
  size_t count = 1;
  constexpr size_t kBlock = 255;  // What a byte counts: sums of bytes are quick.
  const char* const bytes = text.data();
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(i + kBlock, text.size());
    uint8_t commas = 0, first_values = 0;
    for (size_t k = i; k < end; ++k) commas += bytes[k] == ',';
    for (size_t k = std::max<size_t>(i, 1); k < end; ++k) {
      const char before = bytes[k - 1], c = bytes[k];
      first_values += ((before == '[') | (before == '{')) & (c != ']') & (c != '}');
    }
    count += size_t{commas} + first_values;
    i = end;
  }
  return count;
}

// Walks a whole document and writes its nodes. Functions return false after setting problem().
class TreeBuilder {
 public:
  // `text` is the document that simdjson walks over; its strings are unescaped in place.
  TreeBuilder(char* text, size_t size, int max_depth, std::vector<JsonNode>* nodes)
      : text_(text), end_(text + size), max_depth_(max_depth), nodes_(*nodes) {}

  bool AddRoot(ondemand::document& document) {
    ondemand::json_type type;
    if (Failed(document.type().get(type))) return false;
    const uint32_t node = AddNode({});
    if (type == ondemand::json_type::array) {
      ondemand::array array;
      if (Failed(document.get_array().get(array)) || !AddElements(array, node, 1)) return false;
    } else if (type == ondemand::json_type::object) {
      ondemand::object object;
      if (Failed(document.get_object().get(object)) || !AddMembers(object, node, 1)) return false;
    } else {
      return AddRootScalar(document, type, node);
    }
    return document.current_location().error() == simdjson::OUT_OF_BOUNDS ||
           Fail("something follows the end of the value");
  }

  const char* problem() const { return problem_; }

 private:
  bool Fail(const char* problem) { return problem_ = problem, false; }
  bool Failed(simdjson::error_code code) {
    if (code != simdjson::SUCCESS) problem_ = simdjson::error_message(code);
    return code != simdjson::SUCCESS;
  }

  uint32_t AddNode(TextRange key) {
    const auto node = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back({.key_begin = key.begin,
                      .key_size = key.size & uint32_t{kMaxJsonBytes},
                      .type_bits = static_cast<uint32_t>(JsonType::kNull),
                      .next = node + 1});
    return node;
  }

  bool AddValue(ondemand::value value, uint32_t parent, TextRange key, int depth) {
    ondemand::json_type type;
    if (Failed(value.type().get(type))) return false;
    const uint32_t node = AddNode(key);
    ++nodes_[parent].size;
    switch (type) {
      case ondemand::json_type::array: {
        ondemand::array array;
        return !Failed(value.get_array().get(array)) && AddElements(array, node, depth + 1);
      }
      case ondemand::json_type::object: {
        ondemand::object object;
        return !Failed(value.get_object().get(object)) && AddMembers(object, node, depth + 1);
      }
      case ondemand::json_type::string: {
        ondemand::raw_json_string string;
        return !Failed(value.get_raw_json_string().get(string)) &&
               ReadStringValue(string.raw(), nodes_[node]);
      }
      default: return ReadScalar(value.raw_json_token(), nodes_[node]);
    }
  }

  bool AddElements(ondemand::array array, uint32_t node, int depth) {
    nodes_[node].set_type(JsonType::kArray);
    if (depth > max_depth_) return Fail("nested too deep");
    for (auto element : array) {
      ondemand::value value;
      if (Failed(std::move(element).get(value))) return false;
      if (!AddValue(value, node, {}, depth)) return false;
    }
    nodes_[node].next = static_cast<uint32_t>(nodes_.size());
    return true;
  }

  bool AddMembers(ondemand::object object, uint32_t node, int depth) {
    nodes_[node].set_type(JsonType::kObject);
    if (depth > max_depth_) return Fail("nested too deep");
    for (auto member : object) {
      ondemand::field field;
      TextRange key;
      if (Failed(std::move(member).get(field)) || !ReadString(field.key().raw(), key)) return false;
      if (!AddValue(field.value(), node, key, depth)) return false;
    }
    nodes_[node].next = static_cast<uint32_t>(nodes_.size());
    return true;
  }

  // A document that is a single string, number or literal.
  bool AddRootScalar(ondemand::document& document, ondemand::json_type type, uint32_t node) {
    std::string_view token;
    if (Failed(document.raw_json_token().get(token))) return false;
    // A token reaches to the next one, or to the end.
    if (token.data() + token.size() != end_) return Fail("something follows the end of the value");
    if (type != ondemand::json_type::string) return ReadScalar(token, nodes_[node]);
    return ReadStringValue(token.data() + 1, nodes_[node]);
  }

  bool ReadStringValue(const char* first, JsonNode& node) {
    TextRange range;
    if (!ReadString(first, range)) return false;
    node.begin = range.begin;
    node.size = range.size;
    node.set_type(JsonType::kString);
    return true;
  }

  // `first` points behind the opening quote.
  bool ReadString(const char* first, TextRange& out) {
    char* const begin = text_ + (first - text_);
    const auto* end = static_cast<const char*>(std::memchr(begin, '"', end_ - begin));
    if (std::memchr(begin, '\\', end - begin) != nullptr) {
      end = UnescapeInPlace(begin);
      if (end == nullptr) return Fail("a string has a wrong escape or half a surrogate pair");
    }
    out = {static_cast<uint32_t>(begin - text_), static_cast<uint32_t>(end - begin)};
    return true;
  }

  // A number or literal; `token` may have white space behind it.
  bool ReadScalar(std::string_view token, JsonNode& node) {
    token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
    node.begin = static_cast<uint32_t>(token.data() - text_);
    node.size = static_cast<uint32_t>(token.size());
    if (token == "null") {
      node.set_type(JsonType::kNull);
    } else if (token == "true" || token == "false") {
      node.set_type(JsonType::kBool);
    } else if (IsJsonNumber(token)) {
      node.set_type(JsonType::kNumber);
    } else {
      return Fail("a value is neither a number nor true, false or null");
    }
    return true;
  }

  char* const text_;
  const char* const end_;
  const int max_depth_;
  std::vector<JsonNode>& nodes_;
  const char* problem_ = "";
};

}  // namespace

Result<JsonDocument> JsonDocument::Parse(std::string_view text, std::string name,
                                         const JsonLimits& limits) {
  const size_t max_bytes = std::min(limits.max_bytes, kMaxJsonBytes);
  if (text.size() > max_bytes) {
    return InvalidModel(name, ": holds ", text.size(), " bytes, the limit is ", max_bytes);
  }
  const size_t padded_bytes = text.size() + simdjson::SIMDJSON_PADDING;
  auto tree = std::make_unique<JsonValue::Tree>();
  tree->name = std::move(name);
  tree->text = std::make_unique_for_overwrite<char[]>(padded_bytes);
  AdviseHugePages(tree->text.get(), padded_bytes);
  std::copy(text.begin(), text.end(), tree->text.get());
  std::fill_n(tree->text.get() + text.size(), simdjson::SIMDJSON_PADDING, '\0');

  ondemand::parser parser;
  ondemand::document document;
  const auto error =
      parser.iterate(std::string_view(tree->text.get(), text.size()), padded_bytes).get(document);
  if (error == simdjson::MEMALLOC) return OutOfMemory();
  if (error != simdjson::SUCCESS) {
    return InvalidModel(tree->name, ": is not valid JSON: ", simdjson::error_message(error));
  }
  tree->nodes.reserve(MaxNodes(text));
  AdviseHugePages(tree->nodes.data(), tree->nodes.capacity() * sizeof(JsonNode));
  TreeBuilder builder(tree->text.get(), text.size(), limits.max_depth, &tree->nodes);
  if (!builder.AddRoot(document)) {
    const char* place = nullptr;
    if (document.current_location().get(place) != simdjson::SUCCESS) {
      place = tree->text.get() + text.size();
    }
    return InvalidModel(tree->name, ": is not valid JSON: ", builder.problem(), " (near byte ",
                        place - tree->text.get(), ')');
  }
  return JsonDocument(std::move(tree));
}

JsonDocument::JsonDocument(std::unique_ptr<JsonValue::Tree> tree) : tree_(std::move(tree)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonValue JsonDocument::root() const { return {tree_.get(), 0}; }

}  // namespace akin::formats
