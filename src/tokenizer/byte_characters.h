// GPT-2's map from bytes to visible characters, which ByteLevel writes: printable characters of
// Latin-1 stand for themselves, the other 68 bytes, in order, are U+0100 and up (0x20 is "Ġ").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace akin::tokenizer {

inline constexpr std::array<char16_t, 256> kByteCharacters = [] {
  std::array<char16_t, 256> characters{};
  char16_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    characters[static_cast<size_t>(byte)] = visible ? static_cast<char16_t>(byte) : next++;
  }
  return characters;
}();

}  // namespace akin::tokenizer
