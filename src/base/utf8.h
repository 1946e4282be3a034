// UTF-8 by hand: validation that says where the first error is, and decoding of text known to be
// valid. Long runs of ASCII are passed eight bytes at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace akin {

inline constexpr size_t kMaxUtf8Bytes = 4;

inline bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }
inline bool IsUtf8Continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The number of bytes of the character that begins with `lead`, in valid UTF-8.
inline size_t Utf8Length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// The length of the longest prefix of `text` that is ASCII, found eight bytes at a time: it may
// stop up to seven bytes early.
inline size_t AsciiPrefixBlocks(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t block;
    std::memcpy(&block, text.data() + i, 8);
    if ((block & 0x8080808080808080u) != 0) break;
  }
  return i;
}

// The number of bytes of the well-formed character at text[i] (Unicode table 3-7), 0 if there is
// none.
inline size_t WellFormedUtf8Length(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) -> unsigned {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0;
  };
  const auto continues = [&](size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;   // No overlong forms,
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;  // no surrogates.
    return byte(1) >= low && byte(1) <= high && continues(2) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  const unsigned low = lead == 0xF0 ? 0x90 : 0x80;   // No overlong forms,
  const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;  // nothing above U+10FFFF.
  return byte(1) >= low && byte(1) <= high && continues(2) && continues(3) ? 4 : 0;
}

// The offset of the first byte that does not begin or continue a well-formed character;
// text.size() when all of `text` is valid.
inline size_t Utf8ValidUpTo(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (IsAscii(text[i])) i += AsciiPrefixBlocks(text.substr(i));
    if (i == text.size()) break;
    const size_t length = WellFormedUtf8Length(text, i);
    if (length == 0) return i;
    i += length;
  }
  return i;
}

// The character at `p`, in valid UTF-8.
inline char32_t DecodeUtf8(const char* p) {
  const auto byte = [p](int k) { return static_cast<char32_t>(static_cast<unsigned char>(p[k])); };
  if (byte(0) < 0x80) return byte(0);
  if (byte(0) < 0xE0) return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
  if (byte(0) < 0xF0) {
    return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  }
  return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

// The last character of `text`, which is valid UTF-8 and not empty.
inline char32_t LastUtf8(std::string_view text) {
  size_t i = text.size() - 1;
  while (i > 0 && IsUtf8Continuation(text[i])) --i;
  return DecodeUtf8(text.data() + i);
}

// Writes `c`, a Unicode scalar value, to `out` (room for kMaxUtf8Bytes); the number of bytes.
inline size_t EncodeUtf8(char32_t c, char* out) {
  if (c < 0x80) {
    out[0] = static_cast<char>(c);
    return 1;
  }
  if (c < 0x800) {
    out[0] = static_cast<char>(0xC0 | c >> 6);
    out[1] = static_cast<char>(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<char>(0xE0 | c >> 12);
    out[1] = static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out[2] = static_cast<char>(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | c >> 18);
  out[1] = static_cast<char>(0x80 | (c >> 12 & 0x3F));
  out[2] = static_cast<char>(0x80 | (c >> 6 & 0x3F));
  out[3] = static_cast<char>(0x80 | (c & 0x3F));
  return 4;
}

inline void AppendUtf8(char32_t c, std::string& out) {
  char bytes[kMaxUtf8Bytes];
  out.append(bytes, EncodeUtf8(c, bytes));
}

// The number of characters in `text`, which is valid UTF-8.
inline size_t CountUtf8(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += !IsUtf8Continuation(c);
  return count;
}

}  // namespace akin
