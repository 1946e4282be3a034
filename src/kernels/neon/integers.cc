// int8 products with SDOT (FEAT_DotProd): each step multiplies four bytes of a row with four of
// each column and adds to int32. Both are signed, so that a sum needs no correction.
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

#if defined(__aarch64__)
#include <arm_neon.h>

namespace akin::kernels {
namespace {
AKIN_TARGET_BEGIN("arch=armv8.2-a+dotprod")

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/neon/vec.h"
#include "kernels/neon/rotation.h"

#include "kernels/generic/linear-inl.h"
// clang-format on

struct Int8Product {
  using Row = int8_t;
  using Panel = int8_t;
  using Vec = int8x16_t;
  struct Sum {
    int32x4_t v;
  };
  static constexpr size_t kDepth = 4;
  static constexpr uint8_t kZero = 0;

  // Four bytes in the lowest lane (see V::Broadcast).
  static AKIN_INLINE Vec Broadcast(const Row* p) {
    Vec four;
    asm("ldr %s0, %1" : "=w"(four) : "m"(*reinterpret_cast<const char(*)[4]>(p)));
    return four;
  }
  static AKIN_INLINE Vec Load(const Panel* p) { return vld1q_s8(p); }
  static AKIN_INLINE Sum MulAddTo(Sum sum, Vec x, Vec w) {
    asm("sdot %0.4s, %1.16b, %2.4b[0]" : "+w"(sum.v) : "w"(w), "w"(x));
    return sum;
  }
  static AKIN_INLINE V ToFloat(Sum sum) { return {vcvtq_f32_s32(sum.v)}; }
  // Rounded; what NaN and infinity become does not matter, because their scale is one too.
  static AKIN_INLINE void StoreValues(V x, Row* out) {
    const int16x4_t q = vqmovn_s32(vcvtnq_s32_f32(x.v));
    const int8x8_t bytes = vqmovn_s16(vcombine_s16(q, q));
    std::memcpy(out, &bytes, 4);
  }
};

#include "kernels/generic/integers-inl.h"

AKIN_TARGET_END
}  // namespace

Kernels WithNeonDot(Kernels below) {
  below.isa = Isa::kNeonDot;
  if (below.requested == Precision::kInt8) {
    below.precision = Precision::kInt8;
    below.linear = IntegerLinearKernels<Int8Product>();
  }
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithNeonDot(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
