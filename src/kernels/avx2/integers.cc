// Products of integers without VNNI: values are multiplied as 16-bit numbers, two of k a step
// (VPMADDWD). Rows are kept in 16 bits; weights of int8 are widened when they are loaded, once for
// all rows of a tile.
//
// Not VPMADDUBSW, which takes bytes: its 16-bit sums of two products would saturate, and with the
// signs moved so that they fit (|x| and w sign(x)) a step of four costs as many instructions as two
// steps of two.
#include "kernels/integers.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/kernels.h"
#include "kernels/near_panels.h"
#include "kernels/target.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace akin::kernels {
namespace {
AKIN_TARGET_BEGIN("avx2,fma")

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/avx2/vec.h"
#include "kernels/avx2/rotation.h"

#include "kernels/generic/linear-inl.h"
// clang-format on

struct Int16Product {
  using Row = int16_t;
  using Panel = int16_t;
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
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
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

struct Int8Product : Int16Product {
  using Panel = int8_t;

  static AKIN_INLINE Vec Load(const Panel* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
};

#include "kernels/generic/integers-inl.h"

AKIN_TARGET_END
}  // namespace

LinearKernels Avx2Int8Linear() { return IntegerLinearKernels<Int8Product>(); }
LinearKernels Avx2Int16Linear() { return IntegerLinearKernels<Int16Product>(); }

}  // namespace akin::kernels

#endif
