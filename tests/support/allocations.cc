#include "support/allocations.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace akin {
namespace {

std::atomic<bool> watching{false};
std::atomic<size_t> num_allocations{0}, fail_at{0};
std::atomic<bool> fail_after{false};
std::atomic<ptrdiff_t> bytes{0}, peak{0};

bool MayHaveMemory() {
  if (!watching) return true;
  const size_t number = ++num_allocations, failing = fail_at;
  return failing == 0 || (fail_after ? number < failing : number != failing);
}

void* Allocate(size_t size, size_t alignment) noexcept {
  if (!MayHaveMemory()) return nullptr;
  void* memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(size == 0 ? 1 : size)
          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr || !watching) return memory;
  const ptrdiff_t now = bytes += static_cast<ptrdiff_t>(malloc_usable_size(memory));
  ptrdiff_t highest = peak;
  while (now > highest && !peak.compare_exchange_weak(highest, now)) {
  }
  return memory;
}

void Free(void* memory) noexcept {
  if (watching && memory != nullptr) bytes -= static_cast<ptrdiff_t>(malloc_usable_size(memory));
  std::free(memory);
}

void* AllocateOrThrow(size_t size, size_t alignment = 1) {
  void* memory = Allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

WatchedAllocations::WatchedAllocations(Failure failure) {
  num_allocations = 0;
  bytes = 0;
  peak = 0;
  fail_at = failure.at;
  fail_after = failure.and_all_after;
  watching = true;
}
WatchedAllocations::~WatchedAllocations() { watching = false; }

bool WatchedAllocations::failed() const { return fail_at > 0 && num_allocations >= fail_at; }
size_t WatchedAllocations::count() const { return num_allocations; }
size_t WatchedAllocations::peak_bytes() const { return static_cast<size_t>(peak.load()); }

}  // namespace akin

void* operator new(size_t size) { return akin::AllocateOrThrow(size); }
void* operator new[](size_t size) { return akin::AllocateOrThrow(size); }
void* operator new(size_t size, std::align_val_t alignment) {
  return akin::AllocateOrThrow(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return akin::AllocateOrThrow(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return akin::Allocate(size, 1); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return akin::Allocate(size, 1);
}
void operator delete(void* memory) noexcept { akin::Free(memory); }
void operator delete[](void* memory) noexcept { akin::Free(memory); }
void operator delete(void* memory, size_t) noexcept { akin::Free(memory); }
void operator delete[](void* memory, size_t) noexcept { akin::Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { akin::Free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { akin::Free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { akin::Free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { akin::Free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { akin::Free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { akin::Free(memory); }
