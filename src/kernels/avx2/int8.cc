// int8 products without VNNI: values are multiplied as 16-bit numbers, two of k a step (VPMADDWD).
// Rows are kept in 16 bits, weights in 8; they are widened when they are loaded, once for all rows
// of a tile.
//
// Not VPMADDUBSW, which takes bytes: its 16-bit sums of two products would saturate, and with the
// signs moved so that they fit (|x| and w sign(x)) a step of four costs as many instructions as two
// steps of two.
#include "kernels/int8.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/kernels.h"
#include "kernels/target.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace akin::kernels {
namespace {
AKIN_TARGET_BEGIN("avx2,fma")

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/avx2/vec.h"

#include "kernels/generic/linear-inl.h"
// clang-format on

struct Int8Product {
  using Row = int16_t;
  using Panel = int8_t;
  using Vec = __m256i;
  struct Sum {
    __m256i v;
  };
  static constexpr size_t kDepth = 2;
  static constexpr uint8_t kZero = 0;

  static AKIN_INLINE Vec Broadcast(const Row* p) {
    int32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static AKIN_INLINE Vec Load(const Panel* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static AKIN_INLINE Sum MulAddTo(Sum sum, Vec x, Vec w) {
    // 12 sums, 2 vectors of weights, 1 of the row and this product are all 16 registers; from
    // intrinsics GCC 12 makes all products of a step first, and has no registers for the sums.
    __m256i product;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum.v), "=&x"(product) : "x"(x), "x"(w));
    return sum;
  }
  static AKIN_INLINE V ToFloat(Sum sum) { return {_mm256_cvtepi32_ps(sum.v)}; }
  // Rounded; what NaN and infinity become does not matter, because their scale is one too.
  static AKIN_INLINE void StoreValues(V x, Row* out) {
    const __m256i q = _mm256_cvtps_epi32(x.v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1)));
  }
};

// A step of the rotation between lanes that differ in one bit: a + b where it is clear, a - b where
// it is set. `neighbour` has the lanes swapped.
template <int kSet>
AKIN_INLINE V Butterfly(V x, __m256 neighbour) {
  return {_mm256_blend_ps(_mm256_add_ps(neighbour, x.v), _mm256_sub_ps(neighbour, x.v), kSet)};
}

AKIN_INLINE V RotateLanes(V x, size_t rotation) {
  if (rotation > 1) x = Butterfly<0xaa>(x, _mm256_permute_ps(x.v, 0b10'11'00'01));
  if (rotation > 2) x = Butterfly<0xcc>(x, _mm256_permute_ps(x.v, 0b01'00'11'10));
  if (rotation > 4) x = Butterfly<0xf0>(x, _mm256_permute2f128_ps(x.v, x.v, 1));
  return x;
}

AKIN_INLINE V LargerMagnitude(V largest, V x) {
  const __m256i magnitude =
      _mm256_and_si256(_mm256_castps_si256(x.v), _mm256_set1_epi32(0x7fffffff));
  return {_mm256_castsi256_ps(_mm256_max_epu32(_mm256_castps_si256(largest.v), magnitude))};
}

AKIN_INLINE float LargestLane(V largest) {
  float lanes[V::kLanes];
  Store(largest, lanes);
  return LargestMagnitude(lanes);
}

#include "kernels/generic/int8-inl.h"

AKIN_TARGET_END
}  // namespace

LinearKernels Avx2Int8Linear() { return Int8LinearKernels<Int8Product>(); }

}  // namespace akin::kernels

#endif
