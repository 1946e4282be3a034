#include "machine_peak.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "kernels/target.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace akin::bench {
namespace {

constexpr int kSteps = 20'000;  // Of a loop; a trial takes well under a millisecond.
constexpr int kTrials = 200;
constexpr int kChains = 12;  // Two a cycle with a latency of four or five, and some to spare.

#if defined(__x86_64__)

// Each loop keeps kChains sums, so that no instruction waits for the one before it. The empty asm
// hides the values from the compiler, which would otherwise compute the loop beforehand.
AKIN_TARGET_BEGIN("avx2,fma")
void FmaAvx2() {
  __m256 sums[kChains], x = _mm256_set1_ps(0.5f);
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  for (int step = 0; step < kSteps; ++step) {
    asm volatile("" : "+x"(x));
    for (auto& sum : sums) sum = _mm256_fmadd_ps(x, x, sum);
  }
  for (auto& sum : sums) asm volatile("" : : "x"(sum));
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx512f")
void FmaAvx512() {
  __m512 sums[kChains], x = _mm512_set1_ps(0.5f);
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  for (int step = 0; step < kSteps; ++step) {
    asm volatile("" : "+v"(x));
    for (auto& sum : sums) sum = _mm512_fmadd_ps(x, x, sum);
  }
  for (auto& sum : sums) asm volatile("" : : "v"(sum));
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512bf16")
void DotBf16() {
  __m512 sums[kChains];
  __m512i x = _mm512_set1_epi16(0x3f00);  // 0.5
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  for (int step = 0; step < kSteps; ++step) {
    asm volatile("" : "+v"(x));
    for (auto& sum : sums)
      sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(x));
  }
  for (auto& sum : sums) asm volatile("" : : "v"(sum));
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx512f,avx512vnni")
void DotInt8() {
  __m512i sums[kChains], x = _mm512_set1_epi8(1);
  for (auto& sum : sums) sum = _mm512_setzero_si512();
  for (int step = 0; step < kSteps; ++step) {
    asm volatile("" : "+v"(x));
    for (auto& sum : sums) sum = _mm512_dpbusd_epi32(sum, x, x);
  }
  for (auto& sum : sums) asm volatile("" : : "v"(sum));
}
AKIN_TARGET_END

struct Loop {
  void (*run)() = nullptr;
  double operations = 0;  // Of one instruction.
};

Loop LoopFor(Isa isa, Precision precision) {
  const bool bf16_rows = precision == Precision::kBf16 || precision == Precision::kW8 ||
                         precision == Precision::kBf16x3;
  switch (isa) {
    case Isa::kAvx512Bf16:
      if (bf16_rows) return {DotBf16, 64};
      [[fallthrough]];
    case Isa::kAvx512Vnni:
      if (precision == Precision::kInt8) return {DotInt8, 128};
      [[fallthrough]];
    case Isa::kAvx512: return {FmaAvx512, 32};
    case Isa::kAvx2: return {FmaAvx2, 16};
    default: return {};
  }
}

// The fastest of many short trials: other processes can only slow one down.
double BestRate(const Loop& loop) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto start = Clock::now();
    loop.run();
    const std::chrono::duration<double> took = Clock::now() - start;
    best = std::max(best, loop.operations * kChains * kSteps / took.count());
  }
  return best;
}

#endif

}  // namespace

double MeasuredPeak(Isa isa, Precision precision) {
#if defined(__x86_64__)
  const Loop loop = LoopFor(isa, precision);
  return loop.run == nullptr ? 0 : BestRate(loop);
#else
  (void)isa, (void)precision;
  return 0;
#endif
}

}  // namespace akin::bench
