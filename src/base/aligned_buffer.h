#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace akin {

// Uninitialized memory for arrays that kernels read: at least 64-byte aligned, and on huge pages
// where the system gives them for large sizes. An empty buffer owns nothing.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Throws std::bad_alloc like `new`; callers at the library's doors turn that into an error.
  explicit AlignedBuffer(size_t bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AlignedBuffer();

  // What a buffer of `bytes` takes of the process' memory once all of it was written: on huge pages
  // the last one, too, is there as a whole.
  static size_t AllocatedBytes(size_t bytes);

  size_t size_bytes() const { return bytes_; }
  template <typename T>
  std::span<T> As() const {
    return {static_cast<T*>(data_), bytes_ / sizeof(T)};
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Asks for huge pages where `bytes` of memory hold some: for large arrays that are read at random,
// or written once. Call it before the first byte is written. Only advice.
void AdviseHugePages(const void* memory, size_t bytes);

}  // namespace akin
