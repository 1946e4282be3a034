// Products and attention on AMX's tile registers. What is computed between them is AVX-512's.
//
// Nobody has timed this tier: it was written on a machine without AMX, from measurements of another
// program, and is tested there by an emulator of the instructions (tests/support/amx_emulator.h).
#include "kernels/kernels.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
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
AKIN_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma")

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/avx512/vec.h"
#include "kernels/avx512/rotation.h"
#include "kernels/avx512/bf16.h"

#include "kernels/amx/tiles.h"
#include "kernels/amx/products-inl.h"
#include "kernels/amx/linear-inl.h"
#include "kernels/amx/attention-inl.h"
// clang-format on

AKIN_TARGET_END

LinearKernels RotatedBf16Kernels() {
  LinearKernels kernels = TileLinearKernels<W8TileProduct>(OperandKind::kQuantized);
  kernels.operand_bytes = RotatedRowBytes<W8TileProduct>;
  kernels.quantize_rows = RotateRows<W8TileProduct>;
  return kernels;
}

LinearKernels SplitBf16Kernels() {
  LinearKernels kernels = TileLinearKernels<Bf16x3TileProduct>(OperandKind::kQuantized);
  kernels.operand_bytes = Bf16x3TileProduct::RowBytes;
  kernels.quantize_rows = Bf16x3TileProduct::SplitRows;
  return kernels;
}

// With the rows of the tier below.
LinearKernels Int8Kernels(const LinearKernels& below) {
  LinearKernels kernels = TileLinearKernels<Int8TileProduct>(OperandKind::kQuantized);
  kernels.integer_row = below.integer_row;
  kernels.operand_bytes = below.operand_bytes;
  kernels.quantize_rows = below.quantize_rows;
  return kernels;
}

}  // namespace

Kernels WithAmx(Kernels below) {
  below.isa = Isa::kAmx;
  switch (below.requested) {
    case Precision::kAuto:
    case Precision::kF16:  // Refused by SelectKernels.
    case Precision::kF32: return below;
    case Precision::kBf16x3:
      below.precision = Precision::kBf16x3;
      below.linear = SplitBf16Kernels();
      return below;
    case Precision::kInt16: return below;  // Tiles multiply no integers of 16 bits.
    case Precision::kBf16:
      below.linear = TileLinearKernels<Bf16TileProduct>(OperandKind::kBf16);
      break;
    case Precision::kW8: below.linear = RotatedBf16Kernels(); break;
    case Precision::kInt8: below.linear = Int8Kernels(below.linear); break;
  }
  below.attention_bf16 = {.attention = AttentionOnTiles,
                          .scratch_floats = TileAttentionScratchFloats};
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithAmx(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
