// Products of integers with VNNI. Included like vec.h, after it and before generic/integers-inl.h.
#pragma once

// Each step multiplies four bytes of a row with four of each column and adds to int32. Rows are
// unsigned, 128 above their value.
struct Int8Product {
  using Row = uint8_t;
  using Panel = int8_t;
  using Vec = __m512i;
  struct Sum {
    __m512i v;
  };
  static constexpr size_t kDepth = 4;
  static constexpr uint8_t kZero = IntegerShape::kZero;

  static AKIN_INLINE Vec Broadcast(const Row* p) {
    int32_t four;
    std::memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static AKIN_INLINE Vec Load(const Panel* p) { return _mm512_loadu_si512(p); }
  static AKIN_INLINE Sum MulAddTo(Sum sum, Vec x, Vec w) {
    // GCC 12 keeps what the intrinsic returns in memory as well as in a register.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(x), "v"(w));
    return sum;
  }
  static AKIN_INLINE Sum LoadSum(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
  static AKIN_INLINE V ToFloat(Sum sum) { return {_mm512_cvtepi32_ps(sum.v)}; }
  // Rounded; what NaN and infinity become does not matter, because their scale is one too.
  static AKIN_INLINE void StoreValues(V x, Row* out) {
    static_assert(kZero == 0x80, "adding it is flipping the sign bit");
    const __m128i bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x.v));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(kZero))));
  }
};

// Each step multiplies two numbers of a row with two of each column and adds to int32.
struct Int16Product {
  using Row = int16_t;
  using Panel = int16_t;
  using Vec = __m512i;
  using Sum = Int8Product::Sum;
  static constexpr size_t kDepth = 2;
  static constexpr uint8_t kZero = 0;

  static AKIN_INLINE Vec Broadcast(const Row* p) {
    int32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static AKIN_INLINE Vec Load(const Panel* p) { return _mm512_loadu_si512(p); }
  static AKIN_INLINE Sum MulAddTo(Sum sum, Vec x, Vec w) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(x), "v"(w));  // As in Int8Product.
    return sum;
  }
  static AKIN_INLINE V ToFloat(Sum sum) { return Int8Product::ToFloat(sum); }
  // As in Int8Product.
  static AKIN_INLINE void StoreValues(V x, Row* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x.v)));
  }
};
