#include "cli/suggestion.h"

#include <algorithm>
#include <vector>

namespace akin::cli {
namespace {

// The distance is quadratic; no name that we know is longer.
constexpr size_t kLongestName = 64;
constexpr size_t kShortestPrefix = 3;

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  // d[i][j]: the distance of the first i bytes of `a` to the first j of `b`.
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({replaced, d[i - 1][j] + 1, d[i][j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::optional<std::string> NearestName(std::string_view typed, std::span<const std::string> names) {
  if (typed.size() > kLongestName) return std::nullopt;
  const std::string* nearest = nullptr;
  size_t least = 0;
  for (const std::string& name : names) {
    const bool prefix = typed.size() >= kShortestPrefix && name.starts_with(typed);
    const size_t distance = prefix ? 1 : EditDistance(typed, name);
    if (distance > std::max<size_t>(1, name.size() / 3)) continue;
    if (nearest == nullptr || distance < least) {
      nearest = &name;
      least = distance;
    }
  }
  if (nearest == nullptr) return std::nullopt;
  return *nearest;
}

}  // namespace akin::cli
