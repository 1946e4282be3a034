// int8 products with VNNI (int8_tile-inl.h), the packing of their weights and the quantization of
// their rows.
#include "kernels/int8.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/target.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace akin::kernels {
namespace {
AKIN_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")

// clang-format off: the tier's Vec comes before the algorithms over it.
#include "kernels/avx512/vec.h"

#include "kernels/avx512/int8_tile-inl.h"
// clang-format on

// A step of the transform between lanes that differ in one bit: a + b where it is clear, a - b
// where `set` has it. `neighbour` has the lanes swapped; the product with 1 or -1 is exact.
AKIN_INLINE V Butterfly(V x, __m512 neighbour, __mmask16 set) {
  const __m512 sign = _mm512_mask_blend_ps(set, _mm512_set1_ps(1.0f), _mm512_set1_ps(-1.0f));
  return {_mm512_fmadd_ps(sign, x.v, neighbour)};
}

// The steps within a vector, for blocks of `rotation` lanes at most.
AKIN_INLINE V RotateLanes(V x, size_t rotation) {
  if (rotation > 1) x = Butterfly(x, _mm512_permute_ps(x.v, 0b10'11'00'01), 0xaaaa);
  if (rotation > 2) x = Butterfly(x, _mm512_permute_ps(x.v, 0b01'00'11'10), 0xcccc);
  if (rotation > 4) x = Butterfly(x, _mm512_shuffle_f32x4(x.v, x.v, 0b10'11'00'01), 0xf0f0);
  if (rotation > 8) x = Butterfly(x, _mm512_shuffle_f32x4(x.v, x.v, 0b01'00'11'10), 0xff00);
  return x;
}

// `length` values -> rotated, in `out`, zeros up to a whole vector.
void RotateGroup(const float* x, size_t length, size_t rotation, float* out) {
  for (size_t i = 0; i < length; i += V::kLanes) {
    const size_t count = length - i < V::kLanes ? length - i : V::kLanes;
    const V v = count == V::kLanes ? V::Load(x + i) : V::LoadPartial(x + i, count);
    Store(RotateLanes(v, rotation), out + i);
  }
  for (size_t half = V::kLanes; half < rotation; half *= 2) {
    for (size_t block = 0; block < length; block += 2 * half) {
      for (size_t i = block; i < block + half; i += V::kLanes) {
        const V a = V::Load(out + i), b = V::Load(out + i + half);
        Store(a + b, out + i);
        Store(a - b, out + i + half);
      }
    }
  }
}

// The same for the size that nearly every model has, in registers.
AKIN_INLINE void RotateBlock128(const float* x, V (&v)[8]) {
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) v[i] = RotateLanes(V::Load(x + i * V::kLanes), 128);
#pragma GCC unroll 3
  for (size_t half = 1; half < 8; half *= 2) {
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      if (i & half) continue;
      const V a = v[i], b = v[i + half];
      v[i] = a + b;
      v[i + half] = a - b;
    }
  }
}

// Magnitudes as integers stand in their own order, NaN on top (LargestMagnitude).
AKIN_INLINE __m512i LargerMagnitude(__m512i largest, V x) {
  const __m512i magnitude =
      _mm512_and_si512(_mm512_castps_si512(x.v), _mm512_set1_epi32(0x7fffffff));
  return _mm512_max_epu32(largest, magnitude);
}

// `length` values of a row -> rotated, in `out`; returns the largest magnitude.
float RotateToBuffer(const float* x, size_t length, size_t rotation, float* out) {
  __m512i largest = _mm512_setzero_si512();
  if (rotation == 128) {
    for (size_t block = 0; block < length; block += 128) {
      V v[8];
      RotateBlock128(x + block, v);
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; ++j) {
        largest = LargerMagnitude(largest, v[j]);
        Store(v[j], out + block + j * V::kLanes);
      }
    }
  } else {
    RotateGroup(x, length, rotation, out);
    for (size_t j = 0; j < length; j += V::kLanes)
      largest = LargerMagnitude(largest, V::Load(out + j));
  }
  const uint32_t bits = _mm512_reduce_max_epu32(largest);
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

// `length` values -> bytes around Int8Shape::kZero. From NaN and infinity no byte wraps around.
void StoreBytes(const float* x, size_t length, float inverse_scale, std::byte* out) {
  static_assert(Int8Shape::kZero == 0x80, "adding it is flipping the sign bit");
  const V inverse = V::Set(inverse_scale);
  const __m128i zero = _mm_set1_epi8(static_cast<char>(Int8Shape::kZero));
  for (size_t j = 0; j < length; j += V::kLanes) {
    const __m512i q = _mm512_cvtps_epi32((V::Load(x + j) * inverse).v);
    _mm_store_si128(reinterpret_cast<__m128i*>(out + j),
                    _mm_xor_si128(_mm512_cvtsepi32_epi8(q), zero));
  }
}

void QuantizeInt8Rows(MatrixView<const float> rows, std::byte* operand) {
  const Int8Shape shape(rows.cols());
  alignas(64) float rotated[Int8Shape::kMaxGroup];
  for (size_t i = 0; i < rows.rows(); ++i) {
    std::byte* row = operand + i * shape.row_bytes();
    float* scales = reinterpret_cast<float*>(row + shape.scales_offset());
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      const float largest = RotateToBuffer(rows.data() + i * rows.stride() + g * shape.group,
                                           length, shape.rotation, rotated);
      std::byte* out = row + g * shape.group;
      StoreBytes(rotated, length, largest > 0.0f ? 127.0f / largest : 0.0f, out);
      // Past the values, up to the end of the group, lies what counts as zero.
      for (size_t j = RoundUp(length, V::kLanes); j < shape.group; ++j)
        out[j] = std::byte{Int8Shape::kZero};
      scales[g] = largest * (1.0f / 127.0f);
    }
  }
}

size_t Int8RowBytes(size_t k) { return Int8Shape(k).row_bytes(); }

AKIN_TARGET_END

void PackInt8Panel(MatrixView<const float> rows, std::span<const float> bias, std::byte* panel) {
  const Int8Shape shape(rows.cols());
  std::memset(panel, 0, Int8PanelBytes(shape.k));
  std::copy(bias.begin(), bias.end(), reinterpret_cast<float*>(panel));
  std::vector<float> column(shape.k);
  int8_t quantized[Int8Shape::kMaxGroup];
  for (size_t j = 0; j < kPanelWidth; ++j) {
    RotateWeights(rows.row(j), shape.rotation, column.data());
    std::byte* at = panel + kColumnBytes;
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      const std::span<const float> group = std::span(column).subspan(g * shape.group, length);
      const float scale = reinterpret_cast<float*>(at)[j] = WeightScale(group);
      QuantizeWeights(group, scale, quantized);
      int32_t sum = 0;
      int8_t* weights = reinterpret_cast<int8_t*>(at + kGroupHeadBytes);
      for (size_t i = 0; i < length; ++i) {
        sum += quantized[i];
        weights[(i / kInt8Depth * kPanelWidth + j) * kInt8Depth + i % kInt8Depth] = quantized[i];
      }
      reinterpret_cast<int32_t*>(at + kColumnBytes)[j] = -int32_t{Int8Shape::kZero} * sum;
      at += GroupBytes(length);
    }
  }
}

}  // namespace

Kernels WithAvx512Vnni(Kernels below) {
  below.isa = Isa::kAvx512Vnni;
  if (below.requested == Precision::kInt8) {
    below.linear = {.operand = OperandKind::kQuantized,
                    .panel_width = kPanelWidth,
                    .panel_bytes = Int8PanelBytes,
                    .pack_panel = PackInt8Panel,
                    .operand_bytes = Int8RowBytes,
                    .quantize_rows = QuantizeInt8Rows,
                    .linear = LinearF32<Int8Tile>};
  }
  return below;
}

}  // namespace akin::kernels

#else

namespace akin::kernels {
Kernels WithAvx512Vnni(Kernels below) { return below; }
}  // namespace akin::kernels

#endif
