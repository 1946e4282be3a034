#include "kernels/kernels.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/avx2/integers.h"
#include "kernels/integers.h"
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

#include "kernels/generic/attention-inl.h"
#include "kernels/generic/linear-inl.h"
#include "kernels/generic/norm-inl.h"
#include "kernels/generic/patterned_attention-inl.h"
#include "kernels/generic/rotary-inl.h"
#include "kernels/generic/tables-inl.h"
// clang-format on

AKIN_TARGET_END
}  // namespace

Kernels WithAvx2(Kernels below) {
  below.isa = Isa::kAvx2;
  UseF32Rows(below);
  if (below.requested == Precision::kInt8) below.linear = Avx2Int8Linear();
  if (below.requested == Precision::kInt16) below.linear = Avx2Int16Linear();
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithAvx2(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
