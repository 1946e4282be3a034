// Where a text may be cut before it is merged, without a change of the result.
//
// Where two characters meet, the symbols on both sides always end and begin with these characters,
// however much was merged. If no merge has a left side ending with the one and a right side
// beginning with the other, nothing is ever joined across, and each part is merged on its own.
//
//   "▁the▁cat," -> "▁the" | "▁cat" | ","   if no merge joins e▁ or t,
//
// This is what makes words of the text of models without a pre-tokenizer (Llama 2, Gemma), and
// words repeat. Characters that are not in the vocabulary are never cut off: unknown ones may fuse,
// or vanish, or become bytes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace akin::tokenizer {

class MergeBorders {
 public:
  // The character is a symbol of its own.
  void AddCharacter(char32_t c) { Set(known_, c); }
  // A merge joins these two.
  void AddMerge(std::string_view left, std::string_view right) {
    if (!left.empty() && !right.empty()) {
      Set(joined_, Pair(LastUtf8(left), DecodeUtf8(right.data())));
    }
  }

  // Calls part(text) for the parts of `piece`, in order.
  template <typename Part>
  void Cut(std::string_view piece, Part part) const {
    size_t begin = 0;
    char32_t previous = 0;
    for (size_t i = 0; i < piece.size(); i += Utf8Length(piece[i])) {
      const char32_t c = DecodeUtf8(piece.data() + i);
      if (i > begin && IsBorder(previous, c)) {
        part(piece.substr(begin, i - begin));
        begin = i;
      }
      previous = c;
    }
    if (begin < piece.size()) part(piece.substr(begin));
  }

 private:
  // ASCII pairs exactly, others by a hash: two that share a bit only cost a cut.
  static constexpr uint32_t kAsciiPairs = 128 * 128, kHashBits = 20;
  static uint32_t Pair(char32_t left, char32_t right) {
    if ((left | right) < 128) return left * 128 + right;
    const uint64_t key = uint64_t{left} << 32 | right;
    return kAsciiPairs + static_cast<uint32_t>(key * 0x9E3779B97F4A7C15u >> (64 - kHashBits));
  }

  static void Set(std::vector<uint64_t>& bits, uint32_t i) {
    bits[i / 64] |= uint64_t{1} << i % 64;
  }
  static bool Test(const std::vector<uint64_t>& bits, uint32_t i) {
    return (bits[i / 64] >> i % 64 & 1) != 0;
  }
  bool IsBorder(char32_t left, char32_t right) const {
    return !Test(joined_, Pair(left, right)) && Test(known_, left) && Test(known_, right);
  }

  std::vector<uint64_t> joined_ = std::vector<uint64_t>((kAsciiPairs + (1u << kHashBits)) / 64);
  std::vector<uint64_t> known_ = std::vector<uint64_t>(0x110000 / 64);
};

}  // namespace akin::tokenizer
