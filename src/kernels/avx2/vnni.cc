// Products of integers with AVX-VNNI, on CPUs that have no AVX-512 or are not asked for it: the
// instructions of avx512/integers.h in AVX2's registers and their own encoding. Without {vex},
// assemblers take the one of AVX-512, which such a CPU does not know (tools/check_symbols.sh).
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/integers.h"
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

struct AvxVnni {
  static AKIN_INLINE Dwords MulAddPairs(Dwords sum, Dwords x, Dwords w) {
    asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum.v) : "x"(x.v), "x"(w.v));
    return sum;
  }
  static AKIN_INLINE Dwords MulAddBytes(Dwords sum, Dwords x, Dwords w) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.v) : "x"(x.v), "x"(w.v));
    return sum;
  }
};

AKIN_TARGET_END
}  // namespace

Kernels WithAvx2Vnni(Kernels below) {
  below.isa = Isa::kAvx2Vnni;
  if (below.requested == Precision::kInt8)
    below.linear = IntegerLinearKernels<Int8Product<AvxVnni>>();
  if (below.requested == Precision::kInt16)
    below.linear = IntegerLinearKernels<Int16Product<AvxVnni>>();
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithAvx2Vnni(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
