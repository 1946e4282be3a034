// Finding the class of a stage by the "type" in its JSON object.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "akin/result.h"

#include "base/strings.h"
#include "base/utf8.h"
#include "formats/json.h"

namespace akin::tokenizer {

// Makes one stage from its JSON object. Errors: InvalidModel, UnsupportedModel.
template <typename Stage>
using StageLoader = Result<std::unique_ptr<const Stage>>(const formats::JsonValue& json);

template <typename Stage>
struct StageEntry {
  std::string_view type;     // As tokenizer.json names it.
  StageLoader<Stage>* load;  // Null: a type of the format that is not implemented yet.
};

inline Error UnsupportedType(const formats::JsonValue& type, bool known) {
  return UnsupportedModel(type.Where(), " is ", type.Found(),
                          known ? ", which is not supported yet" : ", which is not known");
}

template <typename Stage>
const StageEntry<Stage>* FindStage(std::span<const StageEntry<Stage>> table,
                                   std::string_view type) {
  const auto found = std::ranges::find(table, type, &StageEntry<Stage>::type);
  return found == table.end() ? nullptr : &*found;
}

// The stage that `json`, an object with a "type", describes.
template <typename Stage>
Result<std::unique_ptr<const Stage>> LoadStage(std::span<const StageEntry<Stage>> table,
                                               const formats::JsonValue& json) {
  AKIN_TRY(json.AsObject());
  AKIN_TRY_ASSIGN(const formats::JsonValue type, json.Get("type"));
  AKIN_TRY_ASSIGN(const std::string_view name, type.AsString());
  const StageEntry<Stage>* entry = FindStage(table, name);
  if (entry == nullptr || entry->load == nullptr) return UnsupportedType(type, entry != nullptr);
  return entry->load(json);
}

// What a loader returns: a `Class`, which is a `Stage`.
template <typename Stage, typename Class, typename... Args>
Result<std::unique_ptr<const Stage>> MakeStage(Args&&... args) {
  return std::unique_ptr<const Stage>(std::make_unique<Class>(std::forward<Args>(args)...));
}

// Members of a stage, for its loader.
inline Result<bool> GetBool(const formats::JsonValue& json, std::string_view key) {
  AKIN_TRY_ASSIGN(const formats::JsonValue value, json.Get(key));
  return value.AsBool();
}
inline Result<std::string_view> GetString(const formats::JsonValue& json, std::string_view key) {
  AKIN_TRY_ASSIGN(const formats::JsonValue value, json.Get(key));
  return value.AsString();
}
// A string of one character.
inline Result<char32_t> GetChar(const formats::JsonValue& json, std::string_view key) {
  AKIN_TRY_ASSIGN(const formats::JsonValue value, json.Get(key));
  AKIN_TRY_ASSIGN(const std::string_view text, value.AsString());
  if (!text.empty() && Utf8Length(text[0]) == text.size()) return DecodeUtf8(text.data());
  return InvalidModel(value.Where(), " is ", value.Found(), ", expected one character");
}
inline Result<int64_t> GetInt(const formats::JsonValue& json, std::string_view key, int64_t min,
                              int64_t max) {
  AKIN_TRY_ASSIGN(const formats::JsonValue value, json.Get(key));
  return value.AsIntIn(min, max);
}
// A string of exactly one character.
inline Result<std::string_view> GetCharacter(const formats::JsonValue& json, std::string_view key) {
  AKIN_TRY_ASSIGN(const formats::JsonValue value, json.Get(key));
  AKIN_TRY_ASSIGN(const std::string_view text, value.AsString());
  if (!text.empty() && Utf8Length(text[0]) == text.size()) return text;
  return InvalidModel(value.Where(), " is ", value.Found(), ", expected one character");
}

// One of `names`; the first one when the member is missing.
inline Result<std::string_view> GetName(const formats::JsonValue& json, std::string_view key,
                                        std::initializer_list<std::string_view> names) {
  const std::optional<formats::JsonValue> member = json.Find(key);
  if (!member) return *names.begin();
  AKIN_TRY_ASSIGN(const std::string_view name, member->AsString());
  if (std::ranges::find(names, name) != names.end()) return name;
  std::string expected;
  for (const std::string_view option : names) {
    expected += StrCat(expected.empty() ? "" : " or ", option);
  }
  return InvalidModel(member->Where(), " is ", member->Found(), ", expected ", expected);
}

}  // namespace akin::tokenizer
