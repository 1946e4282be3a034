// Sixteen floats in an AVX-512 register. Included inside the tier's target region and anonymous
// namespace.

constexpr size_t kPanelVecs = 2;
constexpr size_t kMaxRows =
    14;  // 14 x 2 accumulators + 2 of the panel + 1 broadcast = 31 of 32 registers.

struct V {
  static constexpr size_t kLanes = 16;
  __m512 v;

  static AKIN_INLINE V Set(float x) { return {_mm512_set1_ps(x)}; }
  static AKIN_INLINE V Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  // A factor of MulAddBroadcast.
  static AKIN_INLINE V Broadcast(const float* p) { return Set(*p); }
  // The first `count` elements, zeros after them.
  static AKIN_INLINE V LoadPartial(const float* p, size_t count) {
    return {_mm512_maskz_loadu_ps(_cvtu32_mask16((1u << count) - 1), p)};
  }
};

// Sixteen dwords, each an integer or smaller numbers side by side.
struct Dwords {
  __m512i v;

  // One at `p`, aligned or not, in every lane.
  static AKIN_INLINE Dwords Broadcast(const void* p) {
    int32_t dword;
    std::memcpy(&dword, p, sizeof dword);
    return {_mm512_set1_epi32(dword)};
  }
  static AKIN_INLINE Dwords Load(const void* p) { return {_mm512_loadu_si512(p)}; }
  AKIN_INLINE V ToFloat() const { return {_mm512_cvtepi32_ps(v)}; }
};

AKIN_INLINE void Store(V x, float* p) { _mm512_storeu_ps(p, x.v); }
AKIN_INLINE void StorePartial(V x, float* p, size_t count) {
  _mm512_mask_storeu_ps(p, _cvtu32_mask16((1u << count) - 1), x.v);
}
AKIN_INLINE V operator+(V a, V b) { return {_mm512_add_ps(a.v, b.v)}; }
AKIN_INLINE V operator-(V a, V b) { return {_mm512_sub_ps(a.v, b.v)}; }
AKIN_INLINE V operator*(V a, V b) { return {_mm512_mul_ps(a.v, b.v)}; }
AKIN_INLINE V operator/(V a, V b) { return {_mm512_div_ps(a.v, b.v)}; }
AKIN_INLINE V MulAdd(V a, V b, V c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
AKIN_INLINE V MulAddBroadcast(V x, V b, V c) { return MulAdd(x, b, c); }
// Min and Max give the second operand when one of them is NaN.
AKIN_INLINE V Min(V a, V b) { return {_mm512_min_ps(a.v, b.v)}; }
AKIN_INLINE V Max(V a, V b) { return {_mm512_max_ps(a.v, b.v)}; }
AKIN_INLINE V Round(V x) { return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT)}; }
// x * 2^n for integral n.
AKIN_INLINE V MulPow2(V x, V n) { return {_mm512_scalef_ps(x.v, n.v)}; }
// 0 where a < b, x elsewhere.
AKIN_INLINE V ZeroWhereLess(V a, V b, V x) {
  return {_mm512_mask_mov_ps(x.v, _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), _mm512_setzero_ps())};
}
// x with zeros from lane `count` on.
AKIN_INLINE V ZeroFrom(size_t count, V x) {
  return {_mm512_maskz_mov_ps(_cvtu32_mask16((1u << count) - 1), x.v)};
}
AKIN_INLINE float ReduceSum(V x) { return _mm512_reduce_add_ps(x.v); }
AKIN_INLINE float ReduceMax(V x) { return _mm512_reduce_max_ps(x.v); }
// Sixteen values kept in fewer bits.
AKIN_INLINE V LoadBf16(const Bf16* p) {
  const __m512i bits =
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 16))};
}
AKIN_INLINE V LoadInt8(const int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
// Writes the transpose of kLanes x kLanes dwords; rows are row_bytes apart, those of the result
// out_bytes. Rows after `last_row` are read as that one.
AKIN_INLINE void TransposeDwords(const std::byte* rows, size_t row_bytes, size_t last_row,
                                 std::byte* out, size_t out_bytes) {
  const auto row = [=](size_t i) { return rows + (i < last_row ? i : last_row) * row_bytes; };
  __m512i r[16], t[16];
#pragma GCC unroll 16
  for (size_t i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(row(i));
#pragma GCC unroll 8
  for (size_t i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  // Then 128-bit lane l of r[4q + c] is column 4l + c of rows 4q to 4q + 3.
#pragma GCC unroll 4
  for (size_t q = 0; q < 16; q += 4) {
    r[q] = _mm512_unpacklo_epi64(t[q], t[q + 2]);
    r[q + 1] = _mm512_unpackhi_epi64(t[q], t[q + 2]);
    r[q + 2] = _mm512_unpacklo_epi64(t[q + 1], t[q + 3]);
    r[q + 3] = _mm512_unpackhi_epi64(t[q + 1], t[q + 3]);
  }
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) {
    const __m512i even_top = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
    const __m512i odd_top = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
    const __m512i even_bottom = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    const __m512i odd_bottom = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
    _mm512_storeu_si512(out + c * out_bytes, _mm512_shuffle_i32x4(even_top, even_bottom, 0x88));
    _mm512_storeu_si512(out + (4 + c) * out_bytes, _mm512_shuffle_i32x4(odd_top, odd_bottom, 0x88));
    _mm512_storeu_si512(out + (8 + c) * out_bytes,
                        _mm512_shuffle_i32x4(even_top, even_bottom, 0xdd));
    _mm512_storeu_si512(out + (12 + c) * out_bytes,
                        _mm512_shuffle_i32x4(odd_top, odd_bottom, 0xdd));
  }
}

#include "kernels/avx512/gelu.h"
