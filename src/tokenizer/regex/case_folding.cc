#include "tokenizer/regex/case_folding.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace akin::tokenizer::regex {
namespace {

using Pair = std::pair<char32_t, char32_t>;  // Two characters that differ by case.

// Pairs in which neither is the lower case of the other.
constexpr Pair kMorePairs[] = {{0xB5, 0x3BC},    {0x17F, 's'},    {0x345, 0x3B9},  {0x3C2, 0x3C3},
                               {0x3D0, 0x3B2},   {0x3D1, 0x3B8},  {0x3D5, 0x3C6},  {0x3D6, 0x3C0},
                               {0x3F0, 0x3BA},   {0x3F1, 0x3C1},  {0x3F5, 0x3B5},  {0x1C80, 0x432},
                               {0x1C81, 0x434},  {0x1C82, 0x43E}, {0x1C83, 0x441}, {0x1C84, 0x442},
                               {0x1C85, 0x442},  {0x1C86, 0x44A}, {0x1C87, 0x463}, {0x1C88, 0xA64B},
                               {0x1E9B, 0x1E61}, {0x1FBE, 0x3B9}};

const std::vector<Pair>& Pairs() {
  static const std::vector<Pair> pairs = [] {
    std::vector<Pair> all(std::begin(kMorePairs), std::end(kMorePairs));
    for (char32_t c = 0; c <= kMaxCodePoint; ++c) {
      const std::u32string_view lower = unicode::Lower(c);
      if (lower.size() == 1) all.emplace_back(c, lower[0]);
    }
    return all;
  }();
  return pairs;
}

}  // namespace

CharSet FoldCase(const CharSet& set) {
  CharSet folded = set;
  for (bool grown = true; grown;) {  // Three rounds at most: no class has more than four members.
    std::vector<Range> added;
    for (const auto& [one, other] : Pairs()) {
      if (folded.Contains(one) == folded.Contains(other)) continue;
      const char32_t missing = folded.Contains(one) ? other : one;
      added.push_back({missing, missing});
    }
    grown = !added.empty();
    if (grown) folded = folded.Union(CharSet(added));
  }
  return folded;
}

bool IsClosedUnderFolding(const CharSet& set) {
  return std::ranges::none_of(Pairs(), [&](const Pair& pair) {
    return set.Contains(pair.first) != set.Contains(pair.second);
  });
}

bool FoldsToSeveral(char32_t c) {
  constexpr Range kRanges[] = {{0xDF, 0xDF},     {0x130, 0x130},   {0x149, 0x149},
                               {0x1F0, 0x1F0},   {0x390, 0x390},   {0x3B0, 0x3B0},
                               {0x587, 0x587},   {0x1E96, 0x1E9A}, {0x1E9E, 0x1E9E},
                               {0x1F50, 0x1F56}, {0x1F80, 0x1FFC}, {0xFB00, 0xFB17}};
  return std::ranges::any_of(
      kRanges, [c](const Range& range) { return range.first <= c && c <= range.last; });
}

bool IsFoldOfOne(char first, char second) {
  constexpr std::string_view kPairs[] = {"ss", "st", "ff", "fi", "fl"};
  const char pair[] = {first, second};
  return std::ranges::find(kPairs, std::string_view(pair, 2)) != std::end(kPairs);
}

}  // namespace akin::tokenizer::regex
