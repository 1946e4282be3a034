#include "server/json_numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace akin::server {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Bytes of a number's digits at `at`.
size_t Digits(std::string_view json, size_t at) {
  size_t end = at;
  while (end < json.size() && IsDigit(json[end])) ++end;
  return end - at;
}

// A number as RFC 8259 has it.
struct Number {
  size_t size = 0;  // 0: it is none.
  bool is_whole = true;
};

Number NumberAt(std::string_view json, size_t begin) {
  size_t at = begin;
  Number number;
  if (json[at] == '-') ++at;
  const size_t whole = Digits(json, at);
  if (whole == 0 || (whole > 1 && json[at] == '0')) return number;
  at += whole;
  if (at < json.size() && json[at] == '.') {
    number.is_whole = false;
    const size_t fraction = Digits(json, ++at);
    if (fraction == 0) return number;
    at += fraction;
  }
  if (at < json.size() && (json[at] == 'e' || json[at] == 'E')) {
    number.is_whole = false;
    if (++at < json.size() && (json[at] == '+' || json[at] == '-')) ++at;
    const size_t exponent = Digits(json, at);
    if (exponent == 0) return number;
    at += exponent;
  }
  number.size = at - begin;
  return number;
}

bool IsHeld(std::string_view number, bool is_whole) {
  const char* const end = number.data() + number.size();
  if (!is_whole) {
    double value = 0;
    const auto parsed = std::from_chars(number.data(), end, value);
    if (parsed.ec != std::errc::result_out_of_range) return true;
    // Below the smallest double it is 0 to the parser, and stays as it is. from_chars does not say.
    return std::abs(std::strtod(std::string(number).c_str(), nullptr)) < 1;
  }
  int64_t value = 0;
  uint64_t natural = 0;
  return std::from_chars(number.data(), end, value).ec == std::errc() ||
         (number[0] != '-' && std::from_chars(number.data(), end, natural).ec == std::errc());
}

// Behind the string whose quote is at `at`.
size_t EndOfString(std::string_view json, size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

}  // namespace

bool BoundNumbers(std::span<char> json) {
  constexpr std::string_view kLarge = "-1e99";
  const std::string_view text(json.data(), json.size());
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      at = EndOfString(text, at);
      continue;
    }
    if (text[at] != '-' && !IsDigit(text[at])) {
      ++at;
      continue;
    }
    const auto [size, is_whole] = NumberAt(text, at);
    if (size == 0) return found;  // No JSON.
    if (!IsHeld(text.substr(at, size), is_whole)) {
      found = true;
      const std::string_view large = kLarge.substr(text[at] == '-' ? 0 : 1);
      const auto place = json.subspan(at, size);
      std::ranges::fill(place, ' ');
      std::ranges::copy(large, place.begin());
    }
    at += size;
  }
  return found;
}

}  // namespace akin::server
