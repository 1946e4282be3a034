// Waiting for another thread of the same computation, which is usually a microsecond away: spin
// first, then park.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

namespace akin {

inline void CpuRelax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Longer than any phase of a short text between two barriers, shorter than a scheduler's time
// slice.
inline constexpr std::chrono::microseconds kSpinTime{60};
// After this long without an answer the core is offered to others between two looks.
inline constexpr std::chrono::microseconds kPoliteTime{3};

// Returns when `value` is no longer `old`, with what it is then. What that took, if more than a
// microsecond or two, is added to `waited`. Sleeps when it has spun for `spin_time`.
template <typename T>
T WaitWhileEqual(const std::atomic<T>& value, T old, std::chrono::nanoseconds* waited = nullptr,
                 std::chrono::microseconds spin_time = kSpinTime) {
  using Clock = std::chrono::steady_clock;
  T now = old;
  const auto has_changed = [&] {
    for (int i = 0; i < 32; ++i) {
      now = value.load(std::memory_order_acquire);
      if (now != old) return true;
      CpuRelax();
    }
    return false;
  };
  if (has_changed()) return now;
  const auto start = Clock::now();
  bool changed = false;
  for (auto spun = Clock::duration(0); !changed && spun < spin_time; spun = Clock::now() - start) {
    // The other one may be waiting for this very core: more threads than cores, or a busy machine.
    if (spun > kPoliteTime) std::this_thread::yield();
    changed = has_changed();
  }
  while (!changed) {
    value.wait(old, std::memory_order_acquire);
    now = value.load(std::memory_order_acquire);
    changed = now != old;
  }
  if (waited != nullptr) *waited += Clock::now() - start;
  return now;
}

}  // namespace akin
