#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "akin/result.h"

namespace akin {

// Memory that behaves as a mapped file does: DropMappedPages may be said of it, and the bytes are
// still there. Not shared with other processes.
class SharedMemory {
 public:
  SharedMemory() = default;
  // Zeros. Error: Internal (out of memory).
  static Result<SharedMemory> Create(size_t bytes);
  SharedMemory(SharedMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SharedMemory();

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace akin
