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

// Returns when `value` is no longer `old`, with what it is then.
template <typename T>
T WaitWhileEqual(const std::atomic<T>& value, T old) {
  const auto start = std::chrono::steady_clock::now();
  for (auto waited = std::chrono::nanoseconds(0); waited < kSpinTime;
       waited = std::chrono::steady_clock::now() - start) {
    for (int i = 0; i < 32; ++i) {
      if (const T now = value.load(std::memory_order_acquire); now != old) return now;
      CpuRelax();
    }
    // The other one may be waiting for this very core: more threads than cores, or a busy machine.
    if (waited > kPoliteTime) std::this_thread::yield();
  }
  for (;;) {
    value.wait(old, std::memory_order_acquire);
    if (const T now = value.load(std::memory_order_acquire); now != old) return now;
  }
}

}  // namespace akin
