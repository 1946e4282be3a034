#include "kernels/machine_peak.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "kernels/target.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace akin::kernels {
namespace {

constexpr int kSteps = 20'000;  // Of a loop; a trial takes well under a millisecond.
constexpr int kTrials = 200;
constexpr int kReadTrials = 12;
constexpr double kLeastGain = 1.15;  // What rounding and quantizing rows takes, and some more.
constexpr size_t kLeastTrialBytes = size_t{16} << 20;
constexpr int kChains = 12;  // Two a cycle with a latency of four or five, and some to spare.

// Cache lines are read by the unit of four, so that one loop step is worth its branch.
constexpr size_t kLineBytes = 64, kLinesAtOnce = 4;
using ReadLines = void (*)(const std::byte* memory, size_t lines);

// The sums are there so that no load can be left out.
void ReadAnywhere(const std::byte* memory, size_t lines) {
  uint64_t sums[8] = {};
  for (size_t word = 0; word < lines * 8; word += 8, memory += kLineBytes) {
    for (size_t i = 0; i < 8; ++i) sums[i] += reinterpret_cast<const uint64_t*>(memory)[i];
  }
  for (auto& sum : sums) asm volatile("" : : "r"(sum));
}

#if defined(__x86_64__)

// Each loop keeps kChains sums, so that no instruction waits for the one before it: in registers,
// whatever the compiler is asked for. From intrinsics GCC 12 left the sums in memory at -O2 and
// with a sanitizer, where VDPBF16PS seemed fast on CPUs on which it is slow, and for VPMADDWD and
// AVX-VNNI at -O3 too. So a loop is one statement of assembly.
static_assert(kChains == 12);
#define AKIN_EACH_CHAIN(instruction) \
  ".irp i,0,1,2,3,4,5,6,7,8,9,10,11\n\t" instruction "\n\t.endr\n\t"
// `clear` and `multiply_add` are of the sum in register \\i; the latter multiplies %[x] with itself
// and may use register 12.
#define AKIN_RUN_CHAINS(steps, clear, multiply_add, value)                                    \
  asm volatile(                                                                               \
      AKIN_EACH_CHAIN(clear) "1:\n\t" AKIN_EACH_CHAIN(multiply_add) "dec %[count]\n\tjnz 1b"  \
      : [count] "+r"(steps)                                                                   \
      : [x] "x"(value)                                                                        \
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
        "xmm10", "xmm11", "xmm12")

AKIN_TARGET_BEGIN("avx2,fma")
void FmaAvx2(int steps) {
  const __m256 x = _mm256_set1_ps(0.5f);
  AKIN_RUN_CHAINS(steps, "vpxor %%ymm\\i, %%ymm\\i, %%ymm\\i", "vfmadd231ps %[x], %[x], %%ymm\\i",
                  x);
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx512f")
void FmaAvx512(int steps) {
  const __m512 x = _mm512_set1_ps(0.5f);
  AKIN_RUN_CHAINS(steps, "vpxord %%zmm\\i, %%zmm\\i, %%zmm\\i", "vfmadd231ps %[x], %[x], %%zmm\\i",
                  x);
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx512f,avx512bw")
void DotBf16(int steps) {
  const __m512i x = _mm512_set1_epi16(0x3f00);  // 0.5
  AKIN_RUN_CHAINS(steps, "vpxord %%zmm\\i, %%zmm\\i, %%zmm\\i", "vdpbf16ps %[x], %[x], %%zmm\\i",
                  x);
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx512f")
void DotInt8(int steps) {
  const __m512i x = _mm512_set1_epi8(1);
  AKIN_RUN_CHAINS(steps, "vpxord %%zmm\\i, %%zmm\\i, %%zmm\\i", "vpdpbusd %[x], %[x], %%zmm\\i", x);
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx512f")
void DotInt16(int steps) {
  const __m512i x = _mm512_set1_epi16(1);
  AKIN_RUN_CHAINS(steps, "vpxord %%zmm\\i, %%zmm\\i, %%zmm\\i", "vpdpwssd %[x], %[x], %%zmm\\i", x);
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx2")
void DotInt8AvxVnni(int steps) {
  const __m256i x = _mm256_set1_epi8(1);
  AKIN_RUN_CHAINS(steps, "vpxor %%ymm\\i, %%ymm\\i, %%ymm\\i",
                  "%{vex%} vpdpbusd %[x], %[x], %%ymm\\i", x);
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx2")
void DotInt16AvxVnni(int steps) {
  const __m256i x = _mm256_set1_epi16(1);
  AKIN_RUN_CHAINS(steps, "vpxor %%ymm\\i, %%ymm\\i, %%ymm\\i",
                  "%{vex%} vpdpwssd %[x], %[x], %%ymm\\i", x);
}
AKIN_TARGET_END

// A product of pairs is an instruction of its own, and so is adding it.
AKIN_TARGET_BEGIN("avx2")
void DotInt16Avx2(int steps) {
  const __m256i x = _mm256_set1_epi16(1);
  AKIN_RUN_CHAINS(steps, "vpxor %%ymm\\i, %%ymm\\i, %%ymm\\i",
                  "vpmaddwd %[x], %[x], %%ymm12\n\tvpaddd %%ymm12, %%ymm\\i, %%ymm\\i", x);
}
AKIN_TARGET_END

#undef AKIN_RUN_CHAINS
#undef AKIN_EACH_CHAIN

AKIN_TARGET_BEGIN("avx2")
void ReadAvx2(const std::byte* memory, size_t lines) {
  __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (size_t line = 0; line < lines; ++line, memory += kLineBytes) {
    const auto* half = reinterpret_cast<const __m256i*>(memory);
    sums[0] = _mm256_add_epi64(sums[0], _mm256_load_si256(half));
    sums[1] = _mm256_add_epi64(sums[1], _mm256_load_si256(half + 1));
  }
  for (auto& sum : sums) asm volatile("" : : "x"(sum));
}
AKIN_TARGET_END

AKIN_TARGET_BEGIN("avx512f")
void ReadAvx512(const std::byte* memory, size_t lines) {
  __m512i sums[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                     _mm512_setzero_si512()};
  for (size_t line = 0; line < lines; line += kLinesAtOnce) {
    for (size_t i = 0; i < kLinesAtOnce; ++i, memory += kLineBytes)
      sums[i] = _mm512_add_epi64(sums[i], _mm512_load_si512(memory));
  }
  for (auto& sum : sums) asm volatile("" : : "v"(sum));
}
AKIN_TARGET_END

// Four products of whole tiles at a time, which is as many as fit beside two tiles of input: each
// takes sixteen cycles and has its sums after some fifty.
constexpr int kTileSteps = 1'000, kTileChains = 4;

template <typename Multiply>
void DotTiles(int steps, Multiply multiply_four) {
  struct alignas(64) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16};
  } const config;
  asm volatile("ldtilecfg %0" : : "m"(config));  // Which clears the tiles.
  for (int step = 0; step < steps; ++step) multiply_four();
  asm volatile("tilerelease");
}

void DotBf16Tiles(int steps) {
  DotTiles(steps, [] {
    asm volatile(
        "tdpbf16ps %tmm4, %tmm5, %tmm0\n\ttdpbf16ps %tmm4, %tmm5, %tmm1\n\t"
        "tdpbf16ps %tmm4, %tmm5, %tmm2\n\ttdpbf16ps %tmm4, %tmm5, %tmm3");
  });
}

void DotInt8Tiles(int steps) {
  DotTiles(steps, [] {
    asm volatile(
        "tdpbusd %tmm4, %tmm5, %tmm0\n\ttdpbusd %tmm4, %tmm5, %tmm1\n\t"
        "tdpbusd %tmm4, %tmm5, %tmm2\n\ttdpbusd %tmm4, %tmm5, %tmm3");
  });
}

struct Loop {
  void (*run)(int steps) = nullptr;
  double operations = 0;  // Of one product of a chain.
  int chains = kChains;
  int steps = kSteps;  // Of a trial.
};

Loop LoopFor(Isa isa, Precision precision) {
  const bool bf16_rows = precision == Precision::kBf16 || precision == Precision::kW8 ||
                         precision == Precision::kBf16x3;
  const bool integers = precision == Precision::kInt8 || precision == Precision::kInt16;
  switch (isa) {
    case Isa::kAmx:
      if (precision == Precision::kInt8) return {DotInt8Tiles, 32768, kTileChains, kTileSteps};
      if (bf16_rows) return {DotBf16Tiles, 16384, kTileChains, kTileSteps};
      [[fallthrough]];
    case Isa::kAvx512Bf16:
      if (bf16_rows) return {DotBf16, 64};
      [[fallthrough]];
    case Isa::kAvx512Vnni:
      if (precision == Precision::kInt8) return {DotInt8, 128};
      if (precision == Precision::kInt16) return {DotInt16, 64};
      [[fallthrough]];
    case Isa::kAvx512:
      if (integers) return {DotInt16Avx2, 32};
      return {FmaAvx512, 32};
    case Isa::kAvx2Vnni:
      if (precision == Precision::kInt8) return {DotInt8AvxVnni, 64};
      if (precision == Precision::kInt16) return {DotInt16AvxVnni, 32};
      [[fallthrough]];
    case Isa::kAvx2:
      if (integers) return {DotInt16Avx2, 32};
      return {FmaAvx2, 16};
    default: return {};
  }
}

double RateOf(const Loop& loop) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  loop.run(loop.steps);
  const std::chrono::duration<double> took = Clock::now() - start;
  return loop.operations * loop.chains * loop.steps / took.count();
}

// The fastest of many short trials: other processes can only slow one down.
double BestRate(const Loop& loop) {
  double best = 0;
  for (int trial = 0; trial < kTrials; ++trial) best = std::max(best, RateOf(loop));
  return best;
}

// In turn, so that both run at the CPU's same frequency; some microseconds each.
bool IsFaster(Loop loop, Loop than) {
  constexpr int kShortTrials = 20, kShortSteps = 500;
  loop.steps = than.steps = kShortSteps;
  double rate = 0, other = 0;
  for (int trial = 0; trial < kShortTrials; ++trial) {
    rate = std::max(rate, RateOf(loop));
    other = std::max(other, RateOf(than));
  }
  return rate > kLeastGain * other;
}

ReadLines ReaderFor(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return ReadAnywhere;
    case Isa::kAvx2:
    case Isa::kAvx2Vnni: return ReadAvx2;
    default: return ReadAvx512;
  }
}

#else

ReadLines ReaderFor(Isa) { return ReadAnywhere; }

#endif

}  // namespace

bool Bf16ProductsPay() {
#if defined(__x86_64__)
  static const bool pay = IsFaster(LoopFor(Isa::kAvx512Bf16, Precision::kBf16),
                                   LoopFor(Isa::kAvx512Bf16, Precision::kF32));
  return pay;
#else
  return false;
#endif
}

bool Avx2Int16ProductsPay() {
#if defined(__x86_64__)
  static const bool pay =
      IsFaster(LoopFor(Isa::kAvx2, Precision::kInt16), LoopFor(Isa::kAvx2, Precision::kF32));
  return pay;
#else
  return false;
#endif
}

double MeasuredPeak(Isa isa, Precision precision) {
#if defined(__x86_64__)
  const Loop loop = LoopFor(isa, precision);
  return loop.run == nullptr ? 0 : BestRate(loop);
#else
  (void)isa, (void)precision;
  return 0;
#endif
}

double MeasuredReadRate(Isa isa, std::span<const std::byte> memory) {
  using Clock = std::chrono::steady_clock;
  const ReadLines read = ReaderFor(isa);
  const size_t lines = memory.size() / kLineBytes / kLinesAtOnce * kLinesAtOnce;
  const size_t bytes = lines * kLineBytes;
  // A trial reads some megabytes, so that the clock costs nothing.
  const size_t passes = std::max<size_t>(1, kLeastTrialBytes / std::max<size_t>(1, bytes));
  double best = 0;
  for (int trial = 0; trial < kReadTrials; ++trial) {
    const auto start = Clock::now();
    for (size_t pass = 0; pass < passes; ++pass) read(memory.data(), lines);
    const std::chrono::duration<double> took = Clock::now() - start;
    best = std::max(best, static_cast<double>(passes * bytes) / took.count());
  }
  return best;
}

}  // namespace akin::kernels
