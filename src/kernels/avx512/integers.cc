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
AKIN_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/avx512/vec.h"
#include "kernels/avx512/rotation.h"
#include "kernels/avx512/integers.h"

#include "kernels/generic/integers-inl.h"
// clang-format on

AKIN_TARGET_END
}  // namespace

Kernels WithAvx512Vnni(Kernels below) {
  below.isa = Isa::kAvx512Vnni;
  if (below.requested == Precision::kInt8) below.linear = IntegerLinearKernels<Int8Product<Vnni>>();
  if (below.requested == Precision::kInt16)
    below.linear = IntegerLinearKernels<Int16Product<Vnni>>();
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithAvx512Vnni(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
