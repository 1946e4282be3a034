// JSON out, appended to one string: an answer of 32 vectors has 12,288 floats, so nothing is built
// in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace akin::server {

// `text` is UTF-8; what is not becomes '?'.
void AppendJsonString(std::string& out, std::string_view text);

// The shortest text that reads back as the same float, which is finite.
void AppendJsonFloat(std::string& out, float value);

// A finite number; 0 for what JSON cannot write.
void AppendJsonNumber(std::string& out, double value);

void AppendBase64(std::string& out, std::span<const unsigned char> bytes);

// Little-endian IEEE-754, as every CPU that Akin runs on has it.
std::span<const unsigned char> FloatBytes(std::span<const float> values);

// An object, member by member, closed by Close or with its end of life:
//   JsonObject(out).Add("a", 1).Add("b", "x");   appends {"a":1,"b":"x"}
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  ~JsonObject() { Close(); }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  JsonObject& Add(std::string_view key, std::string_view text) {
    AppendJsonString(Key(key), text);
    return *this;
  }
  JsonObject& Add(std::string_view key, const char* text) {
    return Add(key, std::string_view(text));
  }
  JsonObject& Add(std::string_view key, const std::string& text) {
    return Add(key, std::string_view(text));
  }
  JsonObject& Add(std::string_view key, int64_t value);
  JsonObject& Add(std::string_view key, int value) { return Add(key, int64_t{value}); }
  JsonObject& Add(std::string_view key, double value) {
    AppendJsonNumber(Key(key), value);
    return *this;
  }
  // The shortest text that reads back as the same float.
  JsonObject& Add(std::string_view key, float value) {
    AppendJsonFloat(Key(key), value);
    return *this;
  }
  JsonObject& Add(std::string_view key, bool value) {
    Key(key) += value ? "true" : "false";
    return *this;
  }
  JsonObject& AddNull(std::string_view key) {
    Key(key) += "null";
    return *this;
  }
  // `json` as it is.
  JsonObject& AddRaw(std::string_view key, std::string_view json) {
    Key(key) += json;
    return *this;
  }
  // The string to append the member's value to.
  std::string& Key(std::string_view key);
  void Close() {
    if (!closed_) out_ += '}';
    closed_ = true;
  }

 private:
  std::string& out_;
  bool first_ = true;
  bool closed_ = false;
};

// [a,b]: `each` appends element i.
template <typename Function>
void AppendJsonArray(std::string& out, size_t count, Function each) {
  out += '[';
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    each(i);
  }
  out += ']';
}

}  // namespace akin::server
