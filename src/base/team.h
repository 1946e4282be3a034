// A team: threads that run the same function at the same time, each on its share, and meet at
// barriers (SPMD).
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/spin.h"
#include "base/stage_clock.h"

namespace akin {

class Barrier {
 public:
  explicit Barrier(int size) : size_(size) {}
  // Before the first Wait of any thread.
  void set_size(int size) { size_ = size; }

  // Returns when all `size` threads have called it; what they wrote before is visible after.
  void Wait(std::chrono::nanoseconds* waited = nullptr) {
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
      round_.notify_all();
    } else {
      WaitWhileEqual(round_, round, waited);
    }
  }

 private:
  int size_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> round_{0};
};

// One thread's place in its team. The default is a team of one, whose barriers cost nothing.
struct TeamMember {
  int rank = 0;
  int size = 1;
  akin::Barrier* barrier = nullptr;
  StageClock* clock = nullptr;                 // This thread's, where somebody wants to know.
  std::chrono::nanoseconds* waited = nullptr;  // Grows by what this member waits; the same.
  // Each member computes whole rows of every product, those that are its share, instead of columns
  // of all rows.
  bool by_rows = false;

  // The time since the last lap counts as waiting.
  void Meet() const {
    if (size == 1) return;
    barrier->Wait(waited);
    Lap(Stage::kWait);
  }

  // Between a step that writes this member's columns, or rows, and one that reads this member's
  // rows: those are its own where it computes by rows.
  void MeetForRows() const {
    if (!by_rows) Meet();
  }

  // A stage ends here; `work` is what this member did of it.
  void Lap(Stage stage, const StageWork& work = {}) const {
    if (clock != nullptr) clock->Lap(stage, work);
  }

  struct Range {
    size_t begin, end;
  };
  // This member's part of `count` equal pieces of work: contiguous, at most one more than any
  // other's.
  Range Share(size_t count) const {
    return {count * static_cast<size_t>(rank) / static_cast<size_t>(size),
            count * static_cast<size_t>(rank + 1) / static_cast<size_t>(size)};
  }
};

}  // namespace akin
