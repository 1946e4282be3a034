// JSON out: strings escaped, floats as short as they read back exactly.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::cli {

// Appends `text` in quotes. Bytes that are not UTF-8 become U+FFFD, so that the result always is.
void AppendJsonString(std::string& out, std::string_view text);
std::string JsonString(std::string_view text);

// Appends a finite double; null for what JSON cannot write.
void AppendJsonDouble(std::string& out, double value);

// Writes an object member by member: JsonObject().Add("a", 1).Add("b", "x").str() is
// {"a":1,"b":"x"}.
class JsonObject {
 public:
  JsonObject& Add(std::string_view key, std::string_view text);
  JsonObject& Add(std::string_view key, const char* text) {
    return Add(key, std::string_view(text));
  }
  JsonObject& Add(std::string_view key, const std::string& text) {
    return Add(key, std::string_view(text));
  }
  JsonObject& Add(std::string_view key, int64_t value);
  JsonObject& Add(std::string_view key, int value) { return Add(key, int64_t{value}); }
  JsonObject& Add(std::string_view key, double value);
  JsonObject& Add(std::string_view key, bool value);
  // `json` is written as it is.
  JsonObject& AddRaw(std::string_view key, std::string_view json);
  std::string str() const { return members_ + '}'; }

 private:
  void Key(std::string_view key);
  std::string members_ = "{";
};

// [a,b,c] of values that are JSON already.
std::string JsonArray(std::span<const std::string> values);
std::string JsonStrings(std::span<const std::string> texts);
std::string JsonIntegers(std::span<const int32_t> values);

}  // namespace akin::cli
