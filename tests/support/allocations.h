// Counts the memory of a test program, and makes allocations fail. A program that has
// allocations.cc among its sources replaces operator new by it.
#pragma once

#include <cstddef>

namespace akin {

// While it lives, allocations of all threads are counted, and fail if asked to. One at a time.
class WatchedAllocations {
 public:
  // Which allocation fails, 1 being the next; 0: none.
  struct Failure {
    size_t at = 0;
    bool and_all_after = false;
  };
  WatchedAllocations() : WatchedAllocations(Failure{}) {}
  explicit WatchedAllocations(Failure failure);
  ~WatchedAllocations();
  WatchedAllocations(const WatchedAllocations&) = delete;
  WatchedAllocations& operator=(const WatchedAllocations&) = delete;

  size_t count() const;  // Allocations that were asked for.
  // Whether the allocation that was to fail was asked for.
  bool failed() const;
  // The most bytes that were allocated at the same time.
  size_t peak_bytes() const;
};

}  // namespace akin
