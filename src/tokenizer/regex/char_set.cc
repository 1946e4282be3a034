#include "tokenizer/regex/char_set.h"

#include <algorithm>

namespace akin::tokenizer::regex {

void CharSet::Normalize() {
  std::ranges::sort(ranges_, {}, &Range::first);
  std::vector<Range> merged;
  for (const Range& range : ranges_) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  ranges_ = std::move(merged);
  ascii_[0] = ascii_[1] = 0;
  for (const Range& range : ranges_) {
    for (char32_t c = range.first; c <= range.last && c < 128; ++c) {
      ascii_[c >> 6] |= uint64_t{1} << (c & 63);
    }
  }
}

bool CharSet::ContainsBeyondAscii(char32_t c) const {
  const auto after = std::ranges::upper_bound(ranges_, c, {}, &Range::first);
  return after != ranges_.begin() && c <= std::prev(after)->last;
}

CharSet CharSet::Union(const CharSet& other) const {
  CharSet result = *this;
  result.ranges_.insert(result.ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  result.Normalize();
  return result;
}

CharSet CharSet::Intersection(const CharSet& other) const {
  return Complement().Union(other.Complement()).Complement();
}

CharSet CharSet::Complement() const {
  CharSet result;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (next < range.first) result.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kMaxCodePoint) result.ranges_.push_back({next, kMaxCodePoint});
  result.Normalize();
  return result;
}

}  // namespace akin::tokenizer::regex
