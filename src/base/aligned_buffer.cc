#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace akin {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t AlignmentOf(size_t bytes) { return bytes >= kHugePage ? kHugePage : kCacheLine; }

}  // namespace

size_t AlignedBuffer::AllocatedBytes(size_t bytes) {
  const size_t alignment = AlignmentOf(bytes);
  return (bytes + alignment - 1) / alignment * alignment;
}

AlignedBuffer::AlignedBuffer(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const size_t alignment = AlignmentOf(bytes), rounded = AllocatedBytes(bytes);
  if (rounded < bytes) throw std::bad_alloc();
  data_ = std::aligned_alloc(alignment, rounded);
  if (data_ == nullptr) throw std::bad_alloc();
  // Advice only: fewer TLB misses while weights stream. Without it the same memory comes in small
  // pages.
  if (alignment == kHugePage) madvise(data_, rounded, MADV_HUGEPAGE);
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

void AdviseHugePages(const void* memory, size_t bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t last = (begin + bytes) / kHugePage * kHugePage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

}  // namespace akin
