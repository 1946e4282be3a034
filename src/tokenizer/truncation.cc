#include "tokenizer/truncation.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <string_view>

#include "tokenizer/stage_table.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;

// One of `names`; the first one when the member is missing.
Result<std::string_view> ReadName(const JsonValue& json, std::string_view key,
                                  std::initializer_list<std::string_view> names) {
  const std::optional<JsonValue> member = json.Find(key);
  if (!member) return *names.begin();
  AKIN_TRY_ASSIGN(const std::string_view name, member->AsString());
  if (std::ranges::find(names, name) != names.end()) return name;
  std::string expected;
  for (const std::string_view option : names) {
    expected += StrCat(expected.empty() ? "" : " or ", option);
  }
  return InvalidModel(member->Where(), " is ", member->Found(), ", expected ", expected);
}

}  // namespace

Result<Truncation> ReadTruncation(const std::optional<JsonValue>& json, int num_special_tokens) {
  if (!json || json->is_null()) return Truncation{};
  AKIN_TRY_ASSIGN(const JsonValue length_json, json->Get("max_length"));
  AKIN_TRY_ASSIGN(const int64_t max_length,
                  length_json.AsIntIn(0, std::numeric_limits<int64_t>::max()));
  AKIN_TRY_ASSIGN(const JsonValue stride_json, json->Get("stride"));
  AKIN_TRY_ASSIGN(const int64_t stride,
                  stride_json.AsIntIn(0, std::numeric_limits<int64_t>::max()));
  AKIN_TRY(json->Get("strategy"));
  AKIN_TRY(ReadName(*json, "strategy", {"LongestFirst", "OnlyFirst", "OnlySecond"}));
  AKIN_TRY_ASSIGN(const std::string_view direction,
                  ReadName(*json, "direction", {"Right", "Left"}));
  if (max_length < num_special_tokens) {
    return InvalidModel(length_json.Where(), " is ", max_length, ", fewer than the ",
                        num_special_tokens, " special tokens");
  }
  if (stride > 0 && stride >= max_length - num_special_tokens) {
    return InvalidModel(stride_json.Where(), " is ", stride, ", not below the ",
                        max_length - num_special_tokens, " tokens of a text that are kept");
  }
  return Truncation{.max_length = max_length, .keep_end = direction == "Left"};
}

Status CheckPadding(const std::optional<JsonValue>& json) {
  if (!json || json->is_null()) return {};
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  AKIN_TRY_ASSIGN(const JsonValue strategy, json->Get("strategy"));
  if (strategy.is_object()) {
    AKIN_TRY(GetInt(strategy, "Fixed", 0, kMax));
  } else {
    AKIN_TRY(ReadName(*json, "strategy", {"BatchLongest"}));
  }
  AKIN_TRY(ReadName(*json, "direction", {"Right", "Left"}));
  const std::optional<JsonValue> multiple = json->Find("pad_to_multiple_of");
  if (multiple && !multiple->is_null()) AKIN_TRY(multiple->AsIntIn(0, kMax));
  AKIN_TRY(GetInt(*json, "pad_id", 0, kMax));
  AKIN_TRY(GetInt(*json, "pad_type_id", 0, kMax));
  AKIN_TRY(GetString(*json, "pad_token"));
  return {};
}

}  // namespace akin::tokenizer
