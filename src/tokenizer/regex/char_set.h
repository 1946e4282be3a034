// A set of characters: sorted ranges, with a bitmap for ASCII.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer::regex {

using Range = unicode::CodePointRange;
inline constexpr char32_t kMaxCodePoint = 0x10FFFF;

class CharSet {
 public:
  CharSet() = default;
  explicit CharSet(std::span<const Range> ranges) : ranges_(ranges.begin(), ranges.end()) {
    Normalize();
  }
  static CharSet Of(char32_t c) { return Between(c, c); }
  static CharSet Between(char32_t first, char32_t last) {
    const Range range = {first, last};
    return CharSet({&range, 1});
  }

  bool Contains(char32_t c) const {
    return c < 128 ? (ascii_[c >> 6] >> (c & 63) & 1) != 0 : ContainsBeyondAscii(c);
  }
  std::span<const Range> ranges() const { return ranges_; }

  CharSet Union(const CharSet& other) const;
  CharSet Intersection(const CharSet& other) const;
  CharSet Complement() const;

 private:
  void Normalize();
  bool ContainsBeyondAscii(char32_t c) const;

  std::vector<Range> ranges_;  // In order, neither overlapping nor adjacent.
  uint64_t ascii_[2] = {};
};

}  // namespace akin::tokenizer::regex
