// Eight floats in an AVX register. Included inside the tier's target region and anonymous
// namespace.

constexpr size_t kPanelVecs = 2;
constexpr size_t kMaxRows =
    6;  // 6 x 2 accumulators + 2 of the panel + 1 broadcast = 15 of 16 registers.

struct V {
  static constexpr size_t kLanes = 8;
  __m256 v;

  // All ones in the first `count` lanes.
  static AKIN_INLINE __m256i Mask(size_t count) {
    alignas(32) static constexpr int kOnesThenZeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kOnesThenZeros + kLanes - count));
  }
  static AKIN_INLINE V Set(float x) { return {_mm256_set1_ps(x)}; }
  static AKIN_INLINE V Load(const float* p) { return {_mm256_loadu_ps(p)}; }
  // A factor of MulAddBroadcast.
  static AKIN_INLINE V Broadcast(const float* p) { return Set(*p); }
  // The first `count` elements, zeros after them.
  static AKIN_INLINE V LoadPartial(const float* p, size_t count) {
    return {_mm256_maskload_ps(p, Mask(count))};
  }
};

// Eight dwords, each an integer or smaller numbers side by side.
struct Dwords {
  __m256i v;

  // One at `p`, aligned or not, in every lane.
  static AKIN_INLINE Dwords Broadcast(const void* p) {
    int32_t dword;
    std::memcpy(&dword, p, sizeof dword);
    return {_mm256_set1_epi32(dword)};
  }
  static AKIN_INLINE Dwords Load(const void* p) {
    return {_mm256_loadu_si256(static_cast<const __m256i*>(p))};
  }
  AKIN_INLINE V ToFloat() const { return {_mm256_cvtepi32_ps(v)}; }
};

AKIN_INLINE void Store(V x, float* p) { _mm256_storeu_ps(p, x.v); }
AKIN_INLINE void StorePartial(V x, float* p, size_t count) {
  _mm256_maskstore_ps(p, V::Mask(count), x.v);
}
AKIN_INLINE V operator+(V a, V b) { return {_mm256_add_ps(a.v, b.v)}; }
AKIN_INLINE V operator-(V a, V b) { return {_mm256_sub_ps(a.v, b.v)}; }
AKIN_INLINE V operator*(V a, V b) { return {_mm256_mul_ps(a.v, b.v)}; }
AKIN_INLINE V operator/(V a, V b) { return {_mm256_div_ps(a.v, b.v)}; }
AKIN_INLINE V MulAdd(V a, V b, V c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
AKIN_INLINE V MulAddBroadcast(V x, V b, V c) { return MulAdd(x, b, c); }
// Min and Max give the second operand when one of them is NaN.
AKIN_INLINE V Min(V a, V b) { return {_mm256_min_ps(a.v, b.v)}; }
AKIN_INLINE V Max(V a, V b) { return {_mm256_max_ps(a.v, b.v)}; }
AKIN_INLINE V Round(V x) {
  return {_mm256_round_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// x * 2^n for integral n in [-126, 127], by adding n to the exponent of 1.
AKIN_INLINE V MulPow2(V x, V n) {
  const __m256i bits =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127)), 23);
  return {_mm256_mul_ps(x.v, _mm256_castsi256_ps(bits))};
}
// 0 where a < b, x elsewhere.
AKIN_INLINE V ZeroWhereLess(V a, V b, V x) {
  return {_mm256_andnot_ps(_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ), x.v)};
}
// x with zeros from lane `count` on.
AKIN_INLINE V ZeroFrom(size_t count, V x) {
  return {_mm256_and_ps(_mm256_castsi256_ps(V::Mask(count)), x.v)};
}
AKIN_INLINE float ReduceSum(V x) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
AKIN_INLINE float ReduceMax(V x) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
// Eight values kept in fewer bits.
AKIN_INLINE V LoadBf16(const Bf16* p) {
  const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(bits, 16))};
}
AKIN_INLINE V LoadInt8(const int8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))};
}
// Writes the transpose of kLanes x kLanes dwords; rows are row_bytes apart, those of the result
// out_bytes. Rows after `last_row` are read as that one.
AKIN_INLINE void TransposeDwords(const std::byte* rows, size_t row_bytes, size_t last_row,
                                 std::byte* out, size_t out_bytes) {
  const auto row = [=](size_t i) { return rows + (i < last_row ? i : last_row) * row_bytes; };
  __m256i r[8], t[8];
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i)
    r[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row(i)));
#pragma GCC unroll 4
  for (size_t i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  // Then 128-bit lane l of r[4q + c] is column 4l + c of rows 4q to 4q + 3.
#pragma GCC unroll 2
  for (size_t q = 0; q < 8; q += 4) {
    r[q] = _mm256_unpacklo_epi64(t[q], t[q + 2]);
    r[q + 1] = _mm256_unpackhi_epi64(t[q], t[q + 2]);
    r[q + 2] = _mm256_unpacklo_epi64(t[q + 1], t[q + 3]);
    r[q + 3] = _mm256_unpackhi_epi64(t[q + 1], t[q + 3]);
  }
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + c * out_bytes),
                        _mm256_permute2x128_si256(r[c], r[4 + c], 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (4 + c) * out_bytes),
                        _mm256_permute2x128_si256(r[c], r[4 + c], 0x31));
  }
}
