#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace akin {

// Of `bytes`, for telling damage and for names of files in a cache: no defence against somebody who
// may write there.
uint64_t Checksum(std::span<const std::byte> bytes);

}  // namespace akin
