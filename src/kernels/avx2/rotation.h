// The tier's part of generic/rotation-inl.h and of generic/integer_products-inl.h. Included after
// vec.h.
#pragma once

// A step of the rotation between lanes that differ in one bit: a + b where it is clear, a - b where
// it is set. `neighbour` has the lanes swapped.
template <int kSet>
AKIN_INLINE V Butterfly(V x, __m256 neighbour) {
  return {_mm256_blend_ps(_mm256_add_ps(neighbour, x.v), _mm256_sub_ps(neighbour, x.v), kSet)};
}

AKIN_INLINE V RotateLanes(V x, size_t rotation) {
  if (rotation > 1) x = Butterfly<0xaa>(x, _mm256_permute_ps(x.v, 0b10'11'00'01));
  if (rotation > 2) x = Butterfly<0xcc>(x, _mm256_permute_ps(x.v, 0b01'00'11'10));
  if (rotation > 4) x = Butterfly<0xf0>(x, _mm256_permute2f128_ps(x.v, x.v, 1));
  return x;
}

AKIN_INLINE V LargerMagnitude(V largest, V x) {
  const __m256i magnitude =
      _mm256_and_si256(_mm256_castps_si256(x.v), _mm256_set1_epi32(0x7fffffff));
  return {_mm256_castsi256_ps(_mm256_max_epu32(_mm256_castps_si256(largest.v), magnitude))};
}

AKIN_INLINE float LargestLane(V largest) {
  float lanes[V::kLanes];
  Store(largest, lanes);
  return LargestMagnitude(lanes);
}

// Eight weights, rounded to nearest even; 0 for what is above kLargest or NaN.
template <typename Weight>
AKIN_INLINE void StoreWeights(V x, Weight* out) {
  const __m256i q = _mm256_cvtps_epi32(x.v);  // NaN and what is too large: the least integer.
  const __m256i magnitude = _mm256_abs_epi32(q);
  const __m256i fits = _mm256_cmpeq_epi32(
      _mm256_min_epu32(magnitude, _mm256_set1_epi32(kLargest<Weight>)), magnitude);
  const __m256i bounded = _mm256_and_si256(q, fits);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(bounded), _mm256_extracti128_si256(bounded, 1));
  if constexpr (sizeof(Weight) == 1) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packs_epi16(words, words));
  } else {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), words);
  }
}

// Eight values of a row, rounded to nearest even, in int16 or IntegerShape::kZero above them in a
// byte. What NaN and infinity become does not matter, because their scale is one too.
AKIN_INLINE __m128i RoundToInt16(V x) {
  const __m256i q = _mm256_cvtps_epi32(x.v);
  return _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
}
AKIN_INLINE void StoreRow(V x, int16_t* out) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), RoundToInt16(x));
}
AKIN_INLINE void StoreRow(V x, uint8_t* out) {
  static_assert(IntegerShape::kZero == 0x80, "adding it is flipping the sign bit");
  const __m128i words = RoundToInt16(x);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out),
                   _mm_xor_si128(_mm_packs_epi16(words, words),
                                 _mm_set1_epi8(static_cast<char>(IntegerShape::kZero))));
}
