#include "kernels/kernels.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/integers.h"
#include "kernels/near_panels.h"
#include "kernels/target.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace akin::kernels {
namespace {
AKIN_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/avx512/vec.h"
#include "kernels/avx512/rotation.h"

#include "kernels/generic/attention-inl.h"
#include "kernels/generic/linear-inl.h"
#include "kernels/generic/norm-inl.h"
#include "kernels/generic/patterned_attention-inl.h"
#include "kernels/generic/rotary-inl.h"
#include "kernels/generic/tables-inl.h"
// clang-format on

AKIN_TARGET_END
}  // namespace

Kernels WithAvx512(Kernels below) {
  below.isa = Isa::kAvx512;
  UseF32Rows(below);
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithAvx512(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
