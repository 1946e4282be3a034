// Reading what the document holds: values with their types, and where they stand.
#include "formats/json.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "base/strings.h"
#include "base/utf8.h"
#include "formats/json_tree.h"

namespace akin::formats {
namespace {

constexpr size_t kMaxFoundBytes = 40;
constexpr size_t kMaxKeyBytesInMessage = 200;

// At most `max_bytes` of `text`, not cut inside a UTF-8 character.
std::string Shortened(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && IsUtf8Continuation(text[end])) --end;
  return StrCat(text.substr(0, end), "...");
}

// True if the absolute value of the JSON number `text` is below 1: tells, of numbers that fit no
// double, the tiny ones from the huge ones. Example: 0.00e9 and 12.5e-400 are below 1.
bool IsBelowOne(std::string_view text) {
  if (text.front() == '-') text.remove_prefix(1);
  const size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
  const std::string_view mantissa = text.substr(0, exponent_at);
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  const size_t first_digit = mantissa.find_first_not_of("0.");
  if (first_digit == std::string_view::npos) return true;
  // The first digit's place, as a power of ten.
  const int64_t place = static_cast<int64_t>(point) - static_cast<int64_t>(first_digit) -
                        (first_digit < point ? 1 : 0);
  std::string_view exponent_text = text.substr(std::min(exponent_at + 1, text.size()));
  if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
  int64_t exponent = 0;
  const char* const end = exponent_text.data() + exponent_text.size();
  if (std::from_chars(exponent_text.data(), end, exponent).ec == std::errc::result_out_of_range) {
    return exponent_text.front() == '-';
  }
  return exponent < -place;
}

}  // namespace

std::string JsonValue::Tree::Path(uint32_t node) const {
  std::string path;
  for (uint32_t parent = 0; parent != node;) {
    uint32_t step = parent + 1, index = 0;  // The child of `parent` that `node` is, or is below.
    for (; nodes[step].next <= node; step = nodes[step].next) ++index;
    if (nodes[parent].type() == JsonType::kArray) {
      path += StrCat('[', index, ']');
    } else {
      path += StrCat(path.empty() ? "" : ".", Shortened(Key(nodes[step]), kMaxKeyBytesInMessage));
    }
    parent = step;
  }
  return path;
}

JsonType JsonValue::type() const { return tree_->nodes[node_].type(); }

size_t JsonValue::size() const {
  const JsonNode& node = tree_->nodes[node_];
  return node.has_children() ? node.size : 0;
}

std::string_view JsonValue::key() const { return tree_->Key(tree_->nodes[node_]); }

std::string_view JsonValue::number_text() const {
  return type() == JsonType::kNumber ? tree_->Text(tree_->nodes[node_]) : std::string_view();
}

Result<bool> JsonValue::AsBool() const {
  if (type() != JsonType::kBool) return Unexpected(WrongType("true or false"));
  return tree_->Text(tree_->nodes[node_]) == "true";
}

Result<int64_t> JsonValue::AsInt() const {
  const std::string_view text = number_text();
  const char* const end = text.data() + text.size();
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return Unexpected(WrongType("an integer"));
  return value;
}

Result<int64_t> JsonValue::AsIntIn(int64_t min, int64_t max) const {
  const Result<int64_t> value = AsInt();
  if (value && *value >= min && *value <= max) return value;
  return Unexpected(WrongType(StrCat("an integer from ", min, " to ", max)));
}

Result<double> JsonValue::AsDouble() const {
  const std::string_view text = number_text();
  if (text.empty()) return Unexpected(WrongType("a number"));
  double value = 0;
  const auto error = std::from_chars(text.data(), text.data() + text.size(), value).ec;
  if (error == std::errc() && std::isfinite(value)) return value;
  if (IsBelowOne(text)) return text.front() == '-' ? -0.0 : 0.0;
  return Unexpected(WrongType("a number that fits 64-bit floating point"));
}

Result<std::string_view> JsonValue::AsString() const {
  if (!is_string()) return Unexpected(WrongType("a string"));
  return tree_->Text(tree_->nodes[node_]);
}

JsonValue::Range JsonValue::elements() const {
  const JsonNode& node = tree_->nodes[node_];
  // A scalar's `next` is the node behind it, so that its range is empty.
  return {Iterator(tree_, node_ + 1), Iterator(tree_, node.next)};
}

JsonValue::Iterator& JsonValue::Iterator::operator++() {
  node_ = tree_->nodes[node_].next;
  return *this;
}

std::optional<JsonValue> JsonValue::Find(std::string_view key) const {
  std::optional<JsonValue> found;
  if (!is_object()) return found;
  for (const JsonValue member : elements()) {
    if (member.key() == key) found = member;
  }
  return found;
}

Result<JsonValue> JsonValue::Get(std::string_view key) const {
  AKIN_TRY(AsObject());
  if (const std::optional<JsonValue> member = Find(key)) return *member;
  const std::string path = tree_->Path(node_);
  return InvalidModel(tree_->Where(StrCat(path, path.empty() ? "" : ".", key)), " is missing");
}

Result<JsonValue::Range> JsonValue::AsArray() const {
  if (!is_array()) return Unexpected(WrongType("an array"));
  return elements();
}

Result<JsonValue::Range> JsonValue::AsObject() const {
  if (!is_object()) return Unexpected(WrongType("an object"));
  return elements();
}

std::string JsonValue::Where() const { return tree_->Where(tree_->Path(node_)); }

std::string JsonValue::Found() const {
  const std::string text = Shortened(tree_->Text(tree_->nodes[node_]), kMaxFoundBytes);
  switch (type()) {
    case JsonType::kArray: return "an array";
    case JsonType::kObject: return "an object";
    case JsonType::kString: return StrCat('"', text, '"');
    default: return text;
  }
}

Error JsonValue::WrongType(std::string_view expected) const {
  return InvalidModel(Where(), " is ", Found(), ", expected ", expected);
}

}  // namespace akin::formats
