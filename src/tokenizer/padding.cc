#include "tokenizer/padding.h"

#include <algorithm>
#include <limits>

#include "tokenizer/stage_table.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;

// A length in a file must not decide how much memory one text takes: far above any model.
constexpr int64_t kMaxLength = int64_t{1} << 20;
constexpr size_t kMaxTokenBytes = 1024;

Result<std::optional<int64_t>> ReadFixedLength(const JsonValue& json) {
  AKIN_TRY_ASSIGN(const JsonValue strategy, json.Get("strategy"));
  if (strategy.is_object()) {
    AKIN_TRY_ASSIGN(const int64_t length, GetInt(strategy, "Fixed", 0, kMaxLength));
    return std::optional<int64_t>(length);
  }
  AKIN_TRY(GetName(json, "strategy", {"BatchLongest"}));
  return std::optional<int64_t>();
}

// `count` copies of `value` at one end of `values`.
template <typename T>
void PadVector(std::vector<T>& values, size_t count, const T& value, bool on_left) {
  values.insert(on_left ? values.begin() : values.end(), count, value);
}

void PadOne(Encoding& encoding, size_t length, const Padding& padding, bool with_offsets) {
  for (Encoding& part : encoding.overflowing) PadOne(part, length, padding, with_offsets);
  if (encoding.ids.size() >= length) return;
  const size_t count = length - encoding.ids.size();
  const bool left = padding.on_left;
  PadVector(encoding.ids, count, padding.id, left);
  PadVector(encoding.type_ids, count, padding.type_id, left);
  PadVector(encoding.attention_mask, count, uint8_t{0}, left);
  if (!with_offsets) return;
  PadVector(encoding.offsets, count, {0, 0}, left);
  PadVector(encoding.tokens, count, padding.token, left);
  PadVector(encoding.special_tokens_mask, count, uint8_t{1}, left);
  PadVector(encoding.word_ids, count, {}, left);
}

}  // namespace

Result<std::optional<Padding>> ReadPadding(const std::optional<JsonValue>& json) {
  if (!json || json->is_null()) return std::optional<Padding>();
  constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();
  Padding padding;
  AKIN_TRY_ASSIGN(padding.length, ReadFixedLength(*json));
  AKIN_TRY_ASSIGN(const std::string_view direction, GetName(*json, "direction", {"Right", "Left"}));
  padding.on_left = direction == "Left";
  const std::optional<JsonValue> multiple = json->Find("pad_to_multiple_of");
  if (multiple && !multiple->is_null()) {
    AKIN_TRY_ASSIGN(padding.multiple_of, multiple->AsIntIn(0, kMaxLength));
  }
  AKIN_TRY_ASSIGN(const int64_t id, GetInt(*json, "pad_id", 0, kMaxId));
  AKIN_TRY_ASSIGN(const int64_t type_id, GetInt(*json, "pad_type_id", 0, kMaxId));
  AKIN_TRY_ASSIGN(const JsonValue token_json, json->Get("pad_token"));
  AKIN_TRY_ASSIGN(const std::string_view token, token_json.AsString());
  if (token.size() > kMaxTokenBytes) {
    return InvalidModel(token_json.Where(), " has ", token.size(), " bytes, at most ",
                        kMaxTokenBytes, " are allowed");
  }
  padding.id = static_cast<int32_t>(id);
  padding.type_id = static_cast<int32_t>(type_id);
  padding.token = token;
  return std::optional<Padding>(std::move(padding));
}

Status CheckPadding(const Padding& padding) {
  const int64_t length = padding.length.value_or(0);
  if (length < 0 || length > kMaxLength) {
    return InvalidInput("the padding's length is ", length, ", expected 0 to ", kMaxLength);
  }
  if (padding.multiple_of < 0 || padding.multiple_of > kMaxLength) {
    return InvalidInput("the padding's multiple_of is ", padding.multiple_of, ", expected 0 to ",
                        kMaxLength);
  }
  return {};
}

void Pad(std::span<Encoding> batch, const Padding& padding, bool with_offsets) {
  size_t length = 0;
  if (padding.length) {
    length = static_cast<size_t>(*padding.length);
  } else {
    for (const Encoding& encoding : batch) length = std::max(length, encoding.ids.size());
  }
  const auto multiple = static_cast<size_t>(padding.multiple_of);
  if (multiple > 0) length = (length + multiple - 1) / multiple * multiple;
  for (Encoding& encoding : batch) PadOne(encoding, length, padding, with_offsets);
}

}  // namespace akin::tokenizer
