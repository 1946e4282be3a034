#include "cli/json_line.h"

#include <simdjson.h>

#include <algorithm>
#include <climits>

#include "cli/strings.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

using simdjson::ondemand::json_type;
using simdjson::ondemand::value;

// Deeper lines are refused, by the same limit as requests to a server.
constexpr int kMaxDepth = 32;
constexpr std::string_view kBlanks = " \t\r\n";

Error NotJson(simdjson::error_code code) {
  return InvalidInput("not JSON: ", simdjson::error_message(code));
}

// The answer of a simdjson call, or its error from the calling function.
#define AKIN_JSON_TRY(variable, expression) \
  if (auto code = (expression).get(variable); code != simdjson::SUCCESS) return NotJson(code)

std::string_view TypeName(json_type type) {
  switch (type) {
    case json_type::array: return "an array";
    case json_type::object: return "an object";
    case json_type::number: return "a number";
    case json_type::string: return "a string";
    case json_type::boolean: return "a boolean";
    case json_type::null: return "null";
  }
  return "unknown";
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

size_t SkipDigits(std::string_view text, size_t at) {
  while (at < text.size() && IsDigit(text[at])) ++at;
  return at;
}

// RFC 8259, section 6. A number may be too large for any type and is carried over all the same.
bool IsJsonNumber(std::string_view text) {
  size_t at = text.starts_with('-') ? 1 : 0;
  const size_t whole = at;
  at = SkipDigits(text, at);
  if (at == whole || (text[whole] == '0' && at > whole + 1)) return false;
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = at + 1;
    if ((at = SkipDigits(text, fraction)) == fraction) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const size_t exponent = at;
    if ((at = SkipDigits(text, at)) == exponent) return false;
  }
  return at == text.size();
}

std::string_view Trimmed(std::string_view token) {
  while (!token.empty() && kBlanks.find(token.back()) != kBlanks.npos) {
    token.remove_suffix(1);
  }
  return token;
}

// The text of a scalar, checked: simdjson's On-Demand reader itself checks only what is asked for.
Result<std::string> CheckedScalar(value& v, json_type type) {
  const std::string_view token = Trimmed(v.raw_json_token());
  if (type == json_type::string) {
    std::string_view unescaped;
    AKIN_JSON_TRY(unescaped, v.get_string());
  } else if (type == json_type::number ? !IsJsonNumber(token)
                                       : token != "true" && token != "false" && token != "null") {
    return InvalidInput("not JSON: a value is neither a string, a number, true, false nor null");
  }
  return std::string(token);
}

Status CheckValue(value& v, int depth);

Status CheckArray(value& v, int depth) {
  simdjson::ondemand::array array;
  AKIN_JSON_TRY(array, v.get_array());
  for (auto element : array) {
    value child;
    AKIN_JSON_TRY(child, std::move(element));
    AKIN_TRY(CheckValue(child, depth));
  }
  return {};
}

Status CheckObject(value& v, int depth) {
  simdjson::ondemand::object object;
  AKIN_JSON_TRY(object, v.get_object());
  for (auto member : object) {
    simdjson::ondemand::field field;
    AKIN_JSON_TRY(field, std::move(member));
    std::string_view key;
    AKIN_JSON_TRY(key, field.unescaped_key());
    AKIN_TRY(CheckValue(field.value(), depth));
  }
  return {};
}

// Walks through a value that is not used, so that a broken line is never taken for a good one.
Status CheckValue(value& v, int depth) {
  if (depth > kMaxDepth) return InvalidInput("nested deeper than ", kMaxDepth, " levels");
  json_type type;
  AKIN_JSON_TRY(type, v.type());
  if (type == json_type::array) return CheckArray(v, depth + 1);
  if (type == json_type::object) return CheckObject(v, depth + 1);
  AKIN_TRY(CheckedScalar(v, type));
  return {};
}

// What a line is that does not begin as an object does. Read to its end: by its first byte alone,
// which is what On-Demand tells types by, `text,id` were a boolean.
std::string WhatItIs(std::string_view line) {
  using simdjson::dom::element_type;
  while (!line.empty() && kBlanks.find(line.front()) != kBlanks.npos) line.remove_prefix(1);
  if (IsJsonNumber(Trimmed(line))) return "a number";  // Also one too large for any type.
  simdjson::dom::parser parser;
  simdjson::dom::element whole;
  if (parser.parse(line.data(), line.size()).get(whole)) return "";
  switch (whole.type()) {
    case element_type::ARRAY: return "an array";
    case element_type::OBJECT: return "an object";
    case element_type::STRING: return "a string";
    case element_type::BOOL: return "a boolean";
    case element_type::NULL_VALUE: return "null";
    case element_type::INT64:
    case element_type::UINT64:
    case element_type::DOUBLE: return "a number";
  }
  return "";
}

Error NotAnObject(std::string_view line, std::string_view field) {
  const std::string found = WhatItIs(line);
  return InvalidInput(found.empty() ? "not JSON" : StrCat("is ", found),
                      ", expected an object with a field \"", field, '"');
}

bool IsScalar(json_type type) { return type != json_type::array && type != json_type::object; }

}  // namespace

struct JsonLineParser::Impl {
  Impl(std::string name, std::string second_name)
      : field(std::move(name)), second_field(std::move(second_name)) {}

  Status ReadMember(simdjson::ondemand::field& member, JsonLine& line);

  const std::string field, second_field;
  bool has_text = false, has_second = false;
  simdjson::ondemand::parser parser;
  std::string copy;  // Of a line without room behind it.
};

namespace {

Status ReadText(value& v, json_type type, std::string_view name, std::string& out) {
  if (type != json_type::string) {
    return InvalidInput("field \"", name, "\" is ", TypeName(type), ", expected a string");
  }
  std::string_view text;
  if (const auto code = v.get_string().get(text)) {
    return InvalidInput("field \"", name, "\": ", simdjson::error_message(code));
  }
  out = text;
  return {};
}

Status ReadDimension(value& v, json_type type, std::optional<int>& out) {
  if (type == json_type::null) return CheckValue(v, 1);
  int64_t size = 0;
  if (type != json_type::number || v.get_int64().get(size) != simdjson::SUCCESS || size < 1 ||
      size > INT_MAX) {
    return InvalidInput("\"truncate_dim\" is not a whole number above 0");
  }
  out = static_cast<int>(size);
  return {};
}

}  // namespace

Status JsonLineParser::Impl::ReadMember(simdjson::ondemand::field& member, JsonLine& line) {
  std::string_view key;
  AKIN_JSON_TRY(key, member.unescaped_key());
  const bool is_text = key == field, is_second = !second_field.empty() && key == second_field;
  const bool is_id = key == "id", is_prompt = key == "prompt_name";
  const bool is_dimension = key == "truncate_dim";
  value v = member.value();
  json_type type;
  AKIN_JSON_TRY(type, v.type());
  if (is_text) {
    has_text = true;
    return ReadText(v, type, field, line.text);
  }
  if (is_second) {
    has_second = true;
    return ReadText(v, type, second_field, line.second);
  }
  if (is_prompt && type != json_type::null)
    return ReadText(v, type, "prompt_name", line.prompt_name);
  if (is_dimension) return ReadDimension(v, type, line.truncate_dim);
  if (!is_id) return CheckValue(v, 1);
  if (!IsScalar(type)) {
    return InvalidInput("\"id\" is ", TypeName(type), ", expected a string or a number");
  }
  AKIN_TRY_ASSIGN(line.id, CheckedScalar(v, type));
  if (type == json_type::null) line.id.reset();
  return {};
}

JsonLineParser::JsonLineParser(std::string field, std::string second_field)
    : impl_(std::make_unique<Impl>(std::move(field), std::move(second_field))) {}
JsonLineParser::~JsonLineParser() = default;

Result<JsonLine> JsonLineParser::Parse(std::string_view line, size_t readable) {
  if (!simdjson::validate_utf8(line.data(), line.size())) {
    return InvalidInput("not UTF-8 at byte ", FindInvalidUtf8(line).value_or(0) + 1);
  }
  size_t capacity = line.size() + readable;
  if (readable < simdjson::SIMDJSON_PADDING) {
    impl_->copy.assign(line);
    impl_->copy.resize(capacity = line.size() + simdjson::SIMDJSON_PADDING);
    line = std::string_view(impl_->copy.data(), line.size());
  }
  const size_t first = line.find_first_not_of(kBlanks);
  if (first == line.npos || line[first] != '{') return NotAnObject(line, impl_->field);
  simdjson::ondemand::document document;
  AKIN_JSON_TRY(document, impl_->parser.iterate(
                              simdjson::padded_string_view(line.data(), line.size(), capacity)));
  simdjson::ondemand::object object;
  AKIN_JSON_TRY(object, document.get_object());
  JsonLine out;
  impl_->has_text = impl_->has_second = false;
  for (auto member : object) {
    simdjson::ondemand::field field;
    AKIN_JSON_TRY(field, std::move(member));
    AKIN_TRY(impl_->ReadMember(field, out));
  }
  const char* rest = nullptr;
  if (document.current_location().get(rest) != simdjson::OUT_OF_BOUNDS)
    return InvalidInput("not JSON: something follows the object");
  if (!impl_->has_text) return InvalidInput("has no field \"", impl_->field, '"');
  if (!impl_->second_field.empty() && !impl_->has_second)
    return InvalidInput("has no field \"", impl_->second_field, '"');
  return out;
}

#undef AKIN_JSON_TRY

}  // namespace akin::cli
