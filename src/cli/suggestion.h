// What somebody meant who mistyped a name.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace akin::cli {

// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a` (optimal string
// alignment), counted in bytes.
size_t EditDistance(std::string_view a, std::string_view b);

// The name nearest to `typed`, if any is near enough to be meant: at most a third of its letters
// differ, or it begins with `typed`.
std::optional<std::string> NearestName(std::string_view typed, std::span<const std::string> names);

}  // namespace akin::cli
