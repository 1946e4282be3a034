// The generated tables (tools/make_unicode_tables.py); unicode.h is the way to them.
//
// A table with one value per code point is stored in two stages: kXIndex[c / 128] is the number of
// the block of 128 values in kXData that holds the value of c. Equal blocks are stored once.
#pragma once

#include <cstddef>
#include <cstdint>

namespace akin::tokenizer::unicode::tables {

extern const uint8_t kClassIndex[];
extern const uint16_t kClassData[];
extern const uint8_t kCombiningClassIndex[];
extern const uint8_t kCombiningClassData[];

extern const uint8_t kGraphemeBreakIndex[];
extern const uint8_t kGraphemeBreakData[];

// Maps from a character to a text: the value of c is an entry number, 0 for a character that stays;
// entry n is kXChars[kXStarts[n] .. kXStarts[n + 1]).
extern const uint8_t kLowerIndex[];
extern const uint16_t kLowerData[];
extern const uint16_t kLowerStarts[];
extern const char32_t kLowerChars[];

extern const uint8_t kNfdIndex[];
extern const uint16_t kNfdData[];
extern const uint16_t kNfdStarts[];
extern const char32_t kNfdChars[];

extern const uint8_t kNfkdIndex[];
extern const uint16_t kNfkdData[];
extern const uint16_t kNfkdStarts[];
extern const char32_t kNfkdChars[];

// `first` followed by `second` composes to `composite`. Sorted by (first, second).
struct Composition {
  char32_t first, second, composite;
};
extern const Composition kCompositions[];
extern const size_t kNumCompositions;

extern const uint8_t kSplitIndex[];
extern const uint8_t kSplitData[];
extern const uint8_t kScriptIndex[];
extern const uint8_t kScriptData[];

// Properties of regular expressions, sorted by name.
struct CodePointRange {
  char32_t first, last;
};
struct NamedRanges {
  const char* name;
  uint32_t first, count;  // In kPropertyRanges.
};
extern const CodePointRange kPropertyRanges[];
extern const NamedRanges kProperties[];
extern const size_t kNumProperties;

}  // namespace akin::tokenizer::unicode::tables
