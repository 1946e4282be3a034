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

#include "kernels/generic/integer_products-inl.h"
#include "kernels/generic/integers-inl.h"
// clang-format on

struct MulThenAdd {
  static AKIN_INLINE Dwords MulAddPairs(Dwords sum, Dwords x, Dwords w) {
    // 12 sums, 2 vectors of weights, 1 of the row and this product are all 16 registers; from
    // intrinsics GCC 12 makes all products of a step first, and has no registers for the sums.
    __m256i product;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
        : "+x"(sum.v), "=&x"(product)
        : "x"(x.v), "x"(w.v));
    return sum;
  }
};

using Int16 = Int16Product<MulThenAdd>;

struct WidenedInt8Product : Int16 {
  using Panel = int8_t;

  static AKIN_INLINE Vec Load(const Panel* p) {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
};

AKIN_TARGET_END
}  // namespace

LinearKernels Avx2Int8Linear() { return IntegerLinearKernels<WidenedInt8Product>(); }
LinearKernels Avx2Int16Linear() { return IntegerLinearKernels<Int16>(); }

}  // namespace akin::kernels

#endif
