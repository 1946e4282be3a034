#pragma once

#include <cstddef>

namespace akin::cli {

// Of a chunk's vectors: three chunks are on their way at once, which stays far below 64 MiB.
inline constexpr size_t kMostVectorBytes = size_t{4} << 20;

}  // namespace akin::cli
