// What tiers with BF16 instructions share: stores that round to bf16, and pairs for products.
// Included like vec.h, after it.

AKIN_INLINE void Store(V x, Bf16* p) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v)));
}
AKIN_INLINE void StorePartial(V x, Bf16* p, size_t count) {
  _mm256_mask_storeu_epi16(p, _cvtu32_mask16((1u << count) - 1),
                           reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v)));
}
// Two rows of 32 values, `stride` apart -> pairs.
AKIN_INLINE void InterleaveRows(const Bf16* rows, size_t stride, Bf16* out) {
  const __m512i a = _mm512_loadu_si512(rows), b = _mm512_loadu_si512(rows + stride);
  const __m512i low = _mm512_unpacklo_epi16(a, b), high = _mm512_unpackhi_epi16(a, b);
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi64(low, first, high));
  _mm512_storeu_si512(out + 32, _mm512_permutex2var_epi64(low, second, high));
}
