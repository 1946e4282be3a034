// bf16 products: each step multiplies a pair of bf16 of a row with a pair of each column and adds
// to f32 (VDPBF16PS). Denormal inputs count as zero and denormal sums become zero, as in the rest
// of the encoder, which runs with FTZ and DAZ.
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
AKIN_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma")

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/avx512/vec.h"
#include "kernels/avx512/rotation.h"
#include "kernels/avx512/bf16.h"
#include "kernels/avx512/integers.h"

#include "kernels/generic/attention-inl.h"
#include "kernels/generic/integers-inl.h"
#include "kernels/generic/linear-inl.h"
#include "kernels/generic/patterned_attention-inl.h"
// clang-format on

struct Bf16Product {
  using Row = Bf16;
  using Panel = Bf16;
  using Vec = __m512bh;
  using Sum = V;
  static constexpr size_t kDepth = 2;
  static constexpr OperandKind kOperand = OperandKind::kBf16;
  static constexpr bool kScaled = false;

  static AKIN_INLINE Vec Broadcast(const Row* p) {
    return reinterpret_cast<Vec>(Dwords::Broadcast(p).v);
  }
  static AKIN_INLINE Vec Load(const Panel* p) { return reinterpret_cast<Vec>(Dwords::Load(p).v); }
  static AKIN_INLINE V MulAddTo(V sum, Vec x, Vec w) { return {_mm512_dpbf16_ps(sum.v, x, w)}; }
  static Panel Encode(float w) { return Bf16::From(w); }
  static AKIN_INLINE V SoftmaxExp2(V x) { return Exp2Rough(x); }
  static AKIN_INLINE V BoundedExp2(V x) { return Exp2Rough(x); }
  static AKIN_INLINE void CopyStep(const Row* rows, size_t stride, Panel* out) {
    InterleaveRows(rows, stride, out);
  }
};

// Rotated bf16 times rotated weights in int8, widened to bf16, which holds every one of them
// exactly.
struct Int8WidenedProduct : Bf16Product {
  using Panel = int8_t;
  static constexpr OperandKind kOperand = OperandKind::kQuantized;
  static constexpr bool kScaled = true;

  static AKIN_INLINE Vec Load(const Panel* p) {
    return _mm512_cvtne2ps_pbh(LoadInt8(p + V::kLanes).v, LoadInt8(p).v);
  }
};

template <typename Tile>
void LinearEither(const LinearArgs& args) {
  if (args.output.bf16.rows() == 0) return LinearF32<Tile>(args);
  LinearPanels<Tile>(args, SelectFinish<Bf16>(args), args.output.bf16);
}

void AttentionBf16(const AttentionArgs<Bf16>& args) {
  if (args.context.bf16.rows() > 0) {
    AttendTo<Bf16Product>(args, args.context.bf16);
  } else {
    AttendTo<Bf16Product>(args, args.context.f32);
  }
}

void PatternedAttentionBf16(const AttentionArgs<Bf16>& args,
                            const AttentionPattern<Bf16>& pattern) {
  if (args.context.bf16.rows() > 0) {
    AttendWithPattern<Bf16Product>(args, pattern, args.context.bf16);
  } else {
    AttendWithPattern<Bf16Product>(args, pattern, args.context.f32);
  }
}

void ToBf16(MatrixView<const float> from, MatrixView<Bf16> to) {
  const size_t cols = from.cols();
  for (size_t i = 0; i < from.rows(); ++i) {
    const float* x = from.data() + i * from.stride();
    Bf16* out = to.data() + i * to.stride();
    size_t j = 0;
    for (; j + V::kLanes <= cols; j += V::kLanes) Store(V::Load(x + j), out + j);
    // A zero after an odd last column.
    if (j < cols) StorePartial(V::LoadPartial(x + j, cols - j), out + j, RoundUp(cols - j, 2));
  }
}

AKIN_TARGET_END
}  // namespace

Kernels WithAvx512Bf16(Kernels below) {
  below.isa = Isa::kAvx512Bf16;
  below.to_bf16 = ToBf16;
  if (below.requested == Precision::kBf16) {
    below.linear = LinearKernelsFor<Bf16Product>();
    below.linear.linear = LinearEither<LinearTile<Bf16Product>>;
  }
  if (below.requested == Precision::kInt8)
    below.linear.linear = LinearEither<IntegerTile<Int8Product<Vnni>>>;
  if (below.requested == Precision::kW8) {
    below.linear = LinearKernelsFor<Int8WidenedProduct>();
    below.linear.linear = LinearEither<LinearTile<Int8WidenedProduct>>;
  }
  if (!AttendsInF32(below.requested)) {
    below.attention_bf16 = {.attention = AttentionBf16,
                            .scratch_floats = AttentionScratchFloats<Bf16Product>};
    below.patterned_attention_bf16 = {.attention = PatternedAttentionBf16,
                                      .scratch_floats = PatternScratchFloats<Bf16Product>};
  }
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithAvx512Bf16(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
