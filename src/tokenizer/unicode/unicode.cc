#include "tokenizer/unicode/unicode.h"

#include <algorithm>
#include <utility>

namespace akin::tokenizer::unicode {
namespace {

// Hangul syllables are composed by arithmetic (Unicode 3.12): leading consonant, vowel and an
// optional trailing consonant.
constexpr char32_t kHangulBase = 0xAC00, kLeadBase = 0x1100, kVowelBase = 0x1161,
                   kTrailBase = 0x11A7;
constexpr char32_t kNumLeads = 19, kNumVowels = 21, kNumTrails = 28;
constexpr char32_t kNumHangul = kNumLeads * kNumVowels * kNumTrails;

std::u32string_view DecomposeHangul(char32_t c, Decomposition& result) {
  const char32_t index = c - kHangulBase;
  const char32_t trail = index % kNumTrails;
  result.hangul[0] = kLeadBase + index / (kNumVowels * kNumTrails);
  result.hangul[1] = kVowelBase + index / kNumTrails % kNumVowels;
  result.hangul[2] = kTrailBase + trail;
  return {result.hangul, trail == 0 ? size_t{2} : size_t{3}};
}

char32_t ComposeHangul(char32_t first, char32_t second) {
  const char32_t lead = first - kLeadBase, vowel = second - kVowelBase;
  if (lead < kNumLeads && vowel < kNumVowels) {
    return kHangulBase + (lead * kNumVowels + vowel) * kNumTrails;
  }
  const char32_t syllable = first - kHangulBase, trail = second - kTrailBase;
  if (syllable < kNumHangul && syllable % kNumTrails == 0 && trail > 0 && trail < kNumTrails) {
    return first + trail;
  }
  return 0;
}

std::u32string_view Lookup(uint16_t n, const uint16_t* starts, const char32_t* chars) {
  return {chars + starts[n], static_cast<size_t>(starts[n + 1] - starts[n])};
}

}  // namespace

std::u32string_view Decompose(char32_t c, bool compatibility, Decomposition& result) {
  if (c - kHangulBase < kNumHangul) return DecomposeHangul(c, result);
  using namespace tables;
  const uint32_t low = c & 127;
  const uint16_t n = compatibility ? kNfkdData[kNfkdIndex[c >> 7] << 7 | low]
                                   : kNfdData[kNfdIndex[c >> 7] << 7 | low];
  if (n != 0) {
    return compatibility ? Lookup(n, kNfkdStarts, kNfkdChars) : Lookup(n, kNfdStarts, kNfdChars);
  }
  result.hangul[0] = c;
  return {result.hangul, 1};
}

char32_t Compose(char32_t first, char32_t second) {
  if (const char32_t hangul = ComposeHangul(first, second)) return hangul;
  using tables::Composition;
  const Composition* end = tables::kCompositions + tables::kNumCompositions;
  const Composition* found = std::lower_bound(tables::kCompositions, end, std::pair(first, second),
                                              [](const Composition& entry, const auto& key) {
                                                return std::pair(entry.first, entry.second) < key;
                                              });
  const bool matches = found != end && found->first == first && found->second == second;
  return matches ? found->composite : 0;
}

std::span<const CodePointRange> Property(std::string_view name) {
  using tables::NamedRanges;
  const NamedRanges* end = tables::kProperties + tables::kNumProperties;
  const NamedRanges* found = std::ranges::lower_bound(
      tables::kProperties, end, name, {},
      [](const NamedRanges& entry) { return std::string_view(entry.name); });
  if (found == end || found->name != name) return {};
  return {tables::kPropertyRanges + found->first, found->count};
}

}  // namespace akin::tokenizer::unicode
