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

#if defined(__aarch64__)
#include <arm_neon.h>

namespace akin::kernels {
namespace {
// Every aarch64 CPU has Advanced SIMD: there is no target to state.

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/neon/vec.h"
#include "kernels/neon/rotation.h"

#include "kernels/generic/attention-inl.h"
#include "kernels/generic/linear-inl.h"
#include "kernels/generic/norm-inl.h"
#include "kernels/generic/patterned_attention-inl.h"
#include "kernels/generic/rotary-inl.h"
#include "kernels/generic/tables-inl.h"
// clang-format on

}  // namespace

Kernels WithNeon(Kernels below) {
  below.isa = Isa::kNeon;
  // Without SDOT, products of bytes are no faster than those of floats: int8 is w8 then, which
  // keeps the rows more exactly.
  const Precision requested = below.requested;
  if (requested == Precision::kInt8) below.requested = below.precision = Precision::kW8;
  // Nor are products of 16 bits (SMLAL): int16 is f32.
  if (requested == Precision::kInt16) below.requested = Precision::kF32;
  UseF32Rows(below);
  below.requested = requested;
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithNeon(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
