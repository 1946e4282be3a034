// What the stages ask about characters. Each stage of the reference follows another Unicode version
// (the tables hold what it does, not what one version of the standard says), so a class here
// belongs to the stages named beside it and to nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tokenizer/unicode/tables.h"

namespace akin::tokenizer::unicode {

// Bits of a character, in the order of CLASSES in tools/make_unicode_tables.py.
enum CharClass : uint16_t {
  kWhitespace = 1 << 0,      // Unicode 17 white space: every stage.
  kBertRemoved = 1 << 1,     // BertNormalizer, clean_text: control characters, which vanish,
  kBertBlank = 1 << 2,       // and white space, which becomes U+0020.
  kBertChinese = 1 << 3,     // BertNormalizer, handle_chinese_chars.
  kBertMark = 1 << 4,        // BertNormalizer, strip_accents: Mn of Unicode 8.
  kPunctuation = 1 << 5,     // BertPreTokenizer, Punctuation: ASCII's, or P* of Unicode 8.
  kMark = 1 << 6,            // StripAccents: Mn, Mc, Me of Unicode 9.
  kNumeric = 1 << 7,         // Digits: Nd, Nl, No of Unicode 17.
  kWord = 1 << 8,            // Whitespace, single_word: \w of Unicode 16.
  kHasLower = 1 << 9,        // Lowercase: the character changes.
  kHasNfd = 1 << 10,         // NFD: the character decomposes.
  kBertReordered = 1 << 11,  // A mark that NFD may move and kBertMark does not take away, or a
                             // character that decomposes to one.
  kNotSettled = 1 << 12,     // NFC: the character changes, or may with what stands before it.
};

inline uint16_t Classes(char32_t c) {
  return tables::kClassData[tables::kClassIndex[c >> 7] << 7 | (c & 127)];
}
inline bool Is(char32_t c, uint16_t classes) { return (Classes(c) & classes) != 0; }

// What the cutters made by hand after well-known regular expressions ask: classes of Oniguruma, of
// Unicode 16. In the order of SPLIT_CLASSES in tools/make_unicode_tables.py.
enum SplitClass : uint8_t {
  kLetter = 1 << 0,     // \p{L}
  kNumber = 1 << 1,     // \p{N}
  kBlank = 1 << 2,      // \s
  kUpperLike = 1 << 3,  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
  kLowerLike = 1 << 4,  // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
  kNewline = 1 << 5,    // [\r\n]
};

inline uint8_t SplitClasses(char32_t c) {
  return tables::kSplitData[tables::kSplitIndex[c >> 7] << 7 | (c & 127)];
}

// The script of `c` as UnicodeScripts tells them apart; the numbers mean nothing but kAnyScript.
inline uint8_t Script(char32_t c) {
  return tables::kScriptData[tables::kScriptIndex[c >> 7] << 7 | (c & 127)];
}
inline constexpr uint8_t kAnyScript = 0;

// Code points [first, last].
using tables::CodePointRange;
// The ranges, in order, of what Oniguruma calls \p{name}: a general category, a script or a POSIX
// class. `name` is in lower case without blanks, '_' and '-'. Empty: not known.
std::span<const CodePointRange> Property(std::string_view name);

inline uint8_t CombiningClass(char32_t c) {
  return tables::kCombiningClassData[tables::kCombiningClassIndex[c >> 7] << 7 | (c & 127)];
}

// The lower case of `c`, one or two characters; empty when `c` is its own.
inline std::u32string_view Lower(char32_t c) {
  const uint16_t n = tables::kLowerData[tables::kLowerIndex[c >> 7] << 7 | (c & 127)];
  const uint16_t* starts = tables::kLowerStarts + n;
  return {tables::kLowerChars + starts[0], static_cast<size_t>(starts[1] - starts[0])};
}

// A full decomposition of one character.
struct Decomposition {
  char32_t hangul[3];  // Backs `chars` for Hangul syllables, which are computed.
  std::u32string_view chars;
};

// The full canonical (NFD) or compatibility (NFKD) decomposition of `c`; one character, `c` itself,
// when it has none. `result` holds it.
std::u32string_view Decompose(char32_t c, bool compatibility, Decomposition& result);

// The character that `first` followed by `second` composes to, 0 if there is none.
char32_t Compose(char32_t first, char32_t second);

// What a character means for the borders of grapheme clusters: the classes of Unicode's annex 29,
// in the order of grapheme_tables() in tools/make_unicode_tables.py.
enum class GraphemeBreak : uint8_t {
  kOther,
  kControl,
  kPrepend,
  kL,
  kV,
  kT,
  kLv,
  kLvt,
  kSpacingMark,
  kExtend,
  kExtendedPictographic,
  kConjunctExtend,     // An Extend that may stand inside a conjunct,
  kConjunctLinker,     // an Extend that makes one,
  kConjunctConsonant,  // and what it joins.
  kCr,
  kLf,
  kZwj,
  kRegionalIndicator,
};

inline GraphemeBreak GraphemeBreakOf(char32_t c) {
  return static_cast<GraphemeBreak>(
      tables::kGraphemeBreakData[tables::kGraphemeBreakIndex[c >> 7] << 7 | (c & 127)]);
}

// The number of bytes of the extended grapheme cluster that `text`, valid UTF-8 and not empty,
// begins with.
size_t GraphemeLength(std::string_view text);

}  // namespace akin::tokenizer::unicode
