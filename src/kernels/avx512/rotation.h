// The tier's part of generic/rotation-inl.h and of generic/integer_products-inl.h. Included after
// vec.h.
#pragma once

// A step of the rotation between lanes that differ in one bit: a + b where it is clear, a - b
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

AKIN_INLINE V LargerMagnitude(V largest, V x) {
  const __m512i magnitude =
      _mm512_and_si512(_mm512_castps_si512(x.v), _mm512_set1_epi32(0x7fffffff));
  return {_mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(largest.v), magnitude))};
}
AKIN_INLINE float LargestLane(V largest) {
  const uint32_t bits = _mm512_reduce_max_epu32(_mm512_castps_si512(largest.v));
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}
// Sixteen weights, rounded to nearest even; 0 for what is above kLargest or NaN.
template <typename Weight>
AKIN_INLINE void StoreWeights(V x, Weight* out) {
  const __m512i q = _mm512_cvtps_epi32(x.v);  // NaN and what is too large: the least integer.
  const __mmask16 fits =
      _mm512_cmple_epu32_mask(_mm512_abs_epi32(q), _mm512_set1_epi32(kLargest<Weight>));
  if constexpr (sizeof(Weight) == 1) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_maskz_cvtepi32_epi8(fits, q));
  } else {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_maskz_cvtepi32_epi16(fits, q));
  }
}
// Sixteen values of a row, rounded to nearest even, in int16 or IntegerShape::kZero above them in a
// byte. What NaN and infinity become does not matter, because their scale is one too.
AKIN_INLINE void StoreRow(V x, int16_t* out) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x.v)));
}
AKIN_INLINE void StoreRow(V x, uint8_t* out) {
  static_assert(IntegerShape::kZero == 0x80, "adding it is flipping the sign bit");
  const __m128i bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x.v));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(IntegerShape::kZero))));
}
