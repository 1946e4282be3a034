// Small pieces for messages. The server sees include/akin only, so it has its own.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::server {

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
// Of a field of a request: "`top_n` is -1, expected a positive number".
template <typename... Pieces>
Error InvalidField(std::string_view field, const Pieces&... pieces) {
  return InvalidInput('`', field, '`', pieces...).Of(std::string(field));
}

inline char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline std::string AsciiLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = AsciiLower(c);
  return out;
}
inline bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return AsciiLower(a) == AsciiLower(b);
}

// Of a hexadecimal digit; -1 for what is none.
inline int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = AsciiLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}
// "org%2Fmodel" -> "org/model" (RFC 3986, 2.1). What is no escape stays as it is.
inline std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
                           HexValue(text[i + 2]) >= 0;
    out +=
        is_escape ? static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2])) : text[i];
    if (is_escape) i += 2;
  }
  return out;
}

// Without the blanks and tabs around it.
inline std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `each` with every part of `list` between separators, without blanks around it.
template <typename Function>
void ForEachPart(std::string_view list, char separator, Function each) {
  while (true) {
    const size_t end = list.find(separator);
    each(Trimmed(list.substr(0, end)));
    if (end == std::string_view::npos) return;
    list.remove_prefix(end + 1);
  }
}

}  // namespace akin::server
