#include "tokenizer/pre_tokenizers/known_patterns.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

using unicode::kBlank;
using unicode::kLetter;
using unicode::kLowerLike;
using unicode::kNewline;
using unicode::kNumber;
using unicode::kUpperLike;

constexpr uint8_t kBeyondAscii = 1 << 7;

// Classes of bytes: those of ASCII characters, and kBeyondAscii for the rest.
const std::array<uint8_t, 256> kByteClasses = [] {
  std::array<uint8_t, 256> classes;
  classes.fill(kBeyondAscii);
  for (char32_t c = 0; c < 128; ++c) classes[c] = unicode::SplitClasses(c);
  return classes;
}();

// Reads a piece of a text character by character; positions are bytes.
class Reader {
 public:
  Reader(std::string_view text, uint32_t end) : text_(text.data()), end_(end) {}

  uint32_t end() const { return end_; }
  bool Is(uint32_t i, char c) const { return i < end_ && text_[i] == c; }
  // The letter at i in lower case, 0 at the end.
  char LowerAscii(uint32_t i) const { return i < end_ ? static_cast<char>(text_[i] | 0x20) : '\0'; }
  char Byte(uint32_t i) const { return i < end_ ? text_[i] : '\0'; }

  uint8_t Classes(uint32_t i) const {
    const uint8_t classes = kByteClasses[static_cast<unsigned char>(text_[i])];
    return classes == kBeyondAscii ? unicode::SplitClasses(DecodeUtf8(text_ + i)) : classes;
  }
  uint32_t After(uint32_t i) const { return i + static_cast<uint32_t>(Utf8Length(text_[i])); }

  // The end of the run, from i on, of characters with one of `wanted`, or with none of them.
  uint32_t RunOf(uint8_t wanted, uint32_t i) const { return Run(wanted, true, i); }
  uint32_t RunWithout(uint8_t unwanted, uint32_t i) const { return Run(unwanted, false, i); }

 private:
  uint32_t Run(uint8_t classes, bool has, uint32_t i) const {
    while (i < end_) {
      const uint8_t found = kByteClasses[static_cast<unsigned char>(text_[i])];
      if (found != kBeyondAscii) {
        if (((found & classes) != 0) != has) return i;
        ++i;
        continue;
      }
      if (((unicode::SplitClasses(DecodeUtf8(text_ + i)) & classes) != 0) != has) return i;
      i = After(i);
    }
    return i;
  }

  const char* text_;
  uint32_t end_;
};

constexpr uint8_t kWordLike = kLetter | kNumber | kBlank;  // The rest: [^\s\p{L}\p{N}].

// \s+(?!\S)|\s+ where [i, end) is a run of blanks: one is left for the word behind them.
uint32_t EndOfBlanks(const Reader& in, uint32_t i, uint32_t end) {
  if (end == in.end()) return end;
  uint32_t last = i;
  for (uint32_t next = in.After(i); next < end; next = in.After(next)) last = next;
  return last == i ? end : last;
}

// 's|'t|'re|'ve|'m|'ll|'d at i; i if there is none.
uint32_t EndOfContraction(const Reader& in, uint32_t i) {
  if (!in.Is(i, '\'')) return i;
  const char first = in.Byte(i + 1), second = in.Byte(i + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return i + 2;
  const bool two =
      (first == 'l' && second == 'l') || ((first == 'r' || first == 'v') && second == 'e');
  return two ? i + 3 : i;
}

// The same in any case; U+017F is an s too.
uint32_t EndOfAnyCaseContraction(const Reader& in, uint32_t i) {
  if (!in.Is(i, '\'')) return i;
  if (in.Is(i + 1, '\xC5') && in.Is(i + 2, '\xBF')) return i + 3;
  const char first = in.LowerAscii(i + 1), second = in.LowerAscii(i + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return i + 2;
  const bool two =
      (first == 'l' && second == 'l') || ((first == 'r' || first == 'v') && second == 'e');
  return two ? i + 3 : i;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
uint32_t EndOfGpt2(const Reader& in, uint32_t i) {
  if (const uint32_t end = EndOfContraction(in, i); end > i) return end;
  uint32_t word = i;
  uint8_t classes = in.Classes(i);
  if (in.Is(i, ' ') && i + 1 < in.end()) {
    const uint8_t next = in.Classes(i + 1);
    if ((next & kBlank) == 0) word = i + 1, classes = next;
  }
  if (classes & kLetter) return in.RunOf(kLetter, word);
  if (classes & kNumber) return in.RunOf(kNumber, word);
  if ((classes & kBlank) == 0) return in.RunWithout(kWordLike, word);
  return EndOfBlanks(in, i, in.RunOf(kBlank, i));
}

// \s*[\r\n]+|\s+(?!\S)|\s+ where a blank is at i.
uint32_t EndOfLineOrBlanks(const Reader& in, uint32_t i) {
  const uint32_t end = in.RunOf(kBlank, i);
  for (uint32_t k = end; k > i; --k) {
    if (in.Is(k - 1, '\n') || in.Is(k - 1, '\r')) return k;
  }
  return EndOfBlanks(in, i, end);
}

//  ?[^\s\p{L}\p{N}]+[\r\n]* at i, with a / among the last if `slash`; i if there is none.
uint32_t EndOfSymbols(const Reader& in, uint32_t i, bool slash) {
  const uint32_t first = in.Is(i, ' ') ? i + 1 : i;
  uint32_t end = in.RunWithout(kWordLike, first);
  if (end == first) return i;
  while (in.Is(end, '\r') || in.Is(end, '\n') || (slash && in.Is(end, '/'))) ++end;
  return end;
}

uint32_t EndOfDigits(const Reader& in, uint32_t i, int max_digits) {
  for (int n = 0; n < max_digits && i < in.end() && (in.Classes(i) & kNumber); ++n) {
    i = in.After(i);
  }
  return i;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,max_digits}
// | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
template <int max_digits>
uint32_t EndOfCl100k(const Reader& in, uint32_t i) {
  if (const uint32_t end = EndOfAnyCaseContraction(in, i); end > i) return end;
  const uint8_t classes = in.Classes(i);
  if (classes & kLetter) return in.RunOf(kLetter, i);
  if (classes & kNumber) return EndOfDigits(in, i, max_digits);
  if ((classes & kNewline) == 0) {
    const uint32_t next = in.After(i);
    if (const uint32_t end = in.RunOf(kLetter, next); end > next) return end;
  }
  if (const uint32_t end = EndOfSymbols(in, i, false); end > i) return end;
  return EndOfLineOrBlanks(in, i);
}

// [U]*[L]+ at i, where marks and letters without case are both U and L; i if there is none.
uint32_t EndOfLowerWord(const Reader& in, uint32_t i) {
  uint32_t k = i, after_last_lower = i;
  while (k < in.end()) {
    const uint8_t classes = in.Classes(k);
    if ((classes & kUpperLike) == 0) break;
    k = in.After(k);
    if (classes & kLowerLike) after_last_lower = k;
  }
  const uint32_t end = in.RunOf(kLowerLike, k);
  return end > k ? end : after_last_lower;
}

// [^\r\n\p{L}\p{N}]?[U]*[L]+(?i:'s|..)?|[^\r\n\p{L}\p{N}]?[U]+[L]*(?i:'s|..)?
uint32_t EndOfCasedWord(const Reader& in, uint32_t i) {
  const bool may_lead = (in.Classes(i) & (kNewline | kLetter | kNumber)) == 0;
  const uint32_t starts[] = {may_lead ? in.After(i) : i, i};
  for (const uint32_t start : starts) {
    const uint32_t end = EndOfLowerWord(in, start);
    if (end > start) return EndOfAnyCaseContraction(in, end);
  }
  for (const uint32_t start : starts) {
    const uint32_t end = in.RunOf(kUpperLike, start);
    if (end > start) return EndOfAnyCaseContraction(in, end);
  }
  return i;
}

// .. as above ..|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
uint32_t EndOfO200k(const Reader& in, uint32_t i) {
  if (const uint32_t end = EndOfCasedWord(in, i); end > i) return end;
  if (in.Classes(i) & kNumber) return EndOfDigits(in, i, 3);
  if (const uint32_t end = EndOfSymbols(in, i, true); end > i) return end;
  return EndOfLineOrBlanks(in, i);
}

// 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ where no blank is at i.
uint32_t EndOfClip(const Reader& in, uint32_t i) {
  if (const uint32_t end = EndOfContraction(in, i); end > i) return end;
  const uint8_t classes = in.Classes(i);
  if (classes & kLetter) return in.RunOf(kLetter, i);
  if (classes & kNumber) return in.After(i);
  return in.RunWithout(kWordLike, i);
}

using EndOf = uint32_t(const Reader& in, uint32_t i);

template <EndOf end_of, bool skips_blanks>
void Matches(std::string_view text, ByteRange range, std::vector<ByteRange>& matches) {
  const Reader in(text, range.end);
  for (uint32_t i = range.begin; i < range.end;) {
    if (skips_blanks) i = in.RunOf(kBlank, i);
    if (i == range.end) return;
    const uint32_t end = end_of(in, i);
    matches.push_back({i, end});
    i = end;
  }
}

template <EndOf end_of, bool skips_blanks = false>
constexpr KnownPattern Known(std::string_view name, std::string_view regex) {
  return {name, regex, &Matches<end_of, skips_blanks>};
}

constexpr KnownPattern kKnownPatterns[] = {
    Known<EndOfGpt2>("GPT-2", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|)"
                              R"(\s+(?!\S)|\s+)"),
    Known<EndOfCl100k<1>>("Qwen", R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                                  R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
    Known<EndOfCl100k<3>>("Llama-3",
                          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                          R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
    Known<EndOfO200k>("o200k", R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*)"
                               R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
                               R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+)"
                               R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
                               R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
    Known<EndOfClip, true>("CLIP", R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)"),
};

}  // namespace

const KnownPattern* FindKnownPattern(std::string_view regex) {
  const auto found = std::ranges::find(kKnownPatterns, regex, &KnownPattern::regex);
  return found == std::end(kKnownPatterns) ? nullptr : &*found;
}

const KnownPattern& Gpt2Pattern() { return kKnownPatterns[0]; }

}  // namespace akin::tokenizer
