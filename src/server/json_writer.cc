#include "server/json_writer.h"

#include <charconv>
#include <cmath>

#include "akin/json_floats.h"

namespace akin::server {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// The bytes of the UTF-8 sequence that `text` begins with; 0: it is none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t count) {
    if (text.size() <= count) return false;
    for (size_t i = 1; i <= count; ++i) {
      if ((byte(i) & 0xC0) != 0x80) return false;
    }
    return true;
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF && continues(2)) {
    const bool too_short = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    return too_short || surrogate ? 0 : 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4 && continues(3)) {
    const bool too_short = lead == 0xF0 && byte(1) < 0x90;
    const bool too_large = lead == 0xF4 && byte(1) >= 0x90;
    return too_short || too_large ? 0 : 4;
  }
  return 0;
}

void AppendEscaped(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  out += "\\u00";
  out += kHex[static_cast<unsigned char>(c) >> 4];
  out += kHex[static_cast<unsigned char>(c) & 15];
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    const char c = text[0];
    const bool escape = static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == 0x7F;
    if (length == 0) {
      out += '?';
    } else if (escape) {
      AppendEscaped(out, c);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

void AppendJsonFloat(std::string& out, float value) {
  char buffer[kMaxFloatBytes];
  out.append(buffer, WriteFloat(buffer, value));
}

void AppendJsonNumber(std::string& out, double value) {
  char buffer[32];
  out.append(buffer,
             std::to_chars(buffer, buffer + sizeof buffer, std::isfinite(value) ? value : 0.0).ptr);
}

void AppendBase64(std::string& out, std::span<const unsigned char> bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) {
      out += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
}

std::span<const unsigned char> FloatBytes(std::span<const float> values) {
  return {reinterpret_cast<const unsigned char*>(values.data()), values.size_bytes()};
}

JsonObject& JsonObject::Add(std::string_view key, int64_t value) {
  char buffer[24];
  Key(key).append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  return *this;
}

std::string& JsonObject::Key(std::string_view key) {
  if (!first_) out_ += ',';
  first_ = false;
  AppendJsonString(out_, key);
  out_ += ':';
  return out_;
}

}  // namespace akin::server
