// Vectors as JSON has them.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace akin {

// The longest float as it is written: "-1.00000075e-36".
inline constexpr size_t kMaxFloatBytes = 15;

// Writes the shortest decimal that reads back as `value`, of several such the closest to it: what
// std::to_chars writes, in less than half the time for what a unit vector holds. There is room for
// kMaxFloatBytes at `out`; returns the end. Infinities and NaN, which JSON lacks, become words.
char* WriteFloat(char* out, float value);

// Appends "[0.25,-0.5]".
void AppendJsonFloats(std::string& out, std::span<const float> values);

}  // namespace akin
