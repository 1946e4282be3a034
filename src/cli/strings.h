// Small pieces for messages. The command line sees include/akin only, so it has its own.
#pragma once

#include <charconv>
#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::cli {

inline void AppendPiece(std::string& out, std::string_view piece) { out += piece; }
inline void AppendPiece(std::string& out, char piece) { out += piece; }
template <typename Number>
  requires(std::integral<Number> || std::floating_point<Number>)
void AppendPiece(std::string& out, Number number) {
  char buffer[32];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

// The pieces, one after the other.
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (AppendPiece(out, pieces), ...);
  return out;
}

template <typename... Pieces>
Error MakeError(ErrorCode code, const Pieces&... pieces) {
  return Error(code, StrCat(pieces...));
}
template <typename... Pieces>
Error InvalidInput(const Pieces&... pieces) {
  return MakeError(ErrorCode::kInvalidInput, pieces...);
}

// `value` with `digits` places after the point: 3.14.
inline std::string Fixed(double value, int digits) {
  char buffer[400];  // The largest double has 309 places before the point.
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, digits);
  return {buffer, end.ptr};
}

// 1234567 -> "1,234,567", for people.
inline std::string Grouped(int64_t value) {
  std::string digits = StrCat(value < 0 ? -value : value);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return value < 0 ? StrCat('-', digits) : digits;
}

// "1 text", "2 texts", "1,000 texts".
inline std::string Counted(int64_t count, std::string_view noun) {
  return StrCat(Grouped(count), ' ', noun, count == 1 ? "" : "s");
}

// "native, f32, amx": the parts that are known, those that are not empty.
inline std::string KnownParts(std::initializer_list<std::string> parts) {
  std::string out;
  for (const std::string& part : parts) {
    if (!part.empty()) out += StrCat(out.empty() ? "" : ", ", part);
  }
  return out;
}

}  // namespace akin::cli
