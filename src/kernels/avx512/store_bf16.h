// Stores that round to bf16, for tiers with BF16 instructions. Included like vec.h, after it.

AKIN_INLINE void Store(V x, Bf16* p) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v)));
}
AKIN_INLINE void StorePartial(V x, Bf16* p, size_t count) {
  _mm256_mask_storeu_epi16(p, _cvtu32_mask16((1u << count) - 1),
                           reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v)));
}
