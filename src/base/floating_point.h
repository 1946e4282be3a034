// The floating-point environment in which vectors are computed.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace akin {

// While it lives, this thread rounds to nearest and flushes denormals to zero (a tail of a softmax
// full of them costs a hundred cycles each); whatever the calling program had set comes back
// afterwards.
class ScopedFlushDenormals {
 public:
#if defined(__x86_64__)
  ScopedFlushDenormals() : saved_(_mm_getcsr()) {
    constexpr unsigned kMaskAllExceptions = 0x1F80, kFlushToZero = 0x8000,
                       kDenormalsAreZero = 0x0040;
    _mm_setcsr(kMaskAllExceptions | kFlushToZero | kDenormalsAreZero);
  }
  ~ScopedFlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  ScopedFlushDenormals() {
    constexpr unsigned long kFlushToZero = 1ul << 24;  // FPCR.FZ: of inputs and results.
    __asm__ volatile("mrs %0, FPCR" : "=r"(saved_));
    __asm__ volatile("msr FPCR, %0" : : "r"(kFlushToZero));
  }
  ~ScopedFlushDenormals() { __asm__ volatile("msr FPCR, %0" : : "r"(saved_)); }

 private:
  unsigned long saved_;
#else
  ScopedFlushDenormals() {}
  ~ScopedFlushDenormals() {}
#endif

 public:
  ScopedFlushDenormals(const ScopedFlushDenormals&) = delete;
  ScopedFlushDenormals& operator=(const ScopedFlushDenormals&) = delete;
};

}  // namespace akin
