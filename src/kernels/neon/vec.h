// Four floats in an Advanced SIMD register. Included inside the tier's target region and anonymous
// namespace.

constexpr size_t kPanelVecs = 4;
constexpr size_t kMaxRows =
    6;  // 6 x 4 accumulators + 4 of the panel + 1 broadcast = 29 of 32 registers.

struct V {
  static constexpr size_t kLanes = 4;
  float32x4_t v;

  // All ones in the first `count` lanes.
  static AKIN_INLINE uint32x4_t Mask(size_t count) {
    alignas(16) static constexpr uint32_t kOnesThenZeros[8] = {~0u, ~0u, ~0u, ~0u, 0, 0, 0, 0};
    return vld1q_u32(kOnesThenZeros + kLanes - count);
  }
  static AKIN_INLINE V Set(float x) { return {vdupq_n_f32(x)}; }
  static AKIN_INLINE V Load(const float* p) { return {vld1q_f32(p)}; }
  // A factor of MulAddBroadcast: in the lowest lane only. A product takes one factor from a lane
  // for nothing, while a load to all lanes would keep the vector units busy on many cores. In
  // assembly, because GCC 12 copies the lane to all others first.
  static AKIN_INLINE V Broadcast(const float* p) {
    V x;
    asm("ldr %s0, %1" : "=w"(x.v) : "m"(*p));
    return x;
  }
  // The first `count` elements, zeros after them.
  static AKIN_INLINE V LoadPartial(const float* p, size_t count) {
    float lanes[kLanes] = {};
    std::memcpy(lanes, p, count * sizeof(float));
    return Load(lanes);
  }
};

AKIN_INLINE void Store(V x, float* p) { vst1q_f32(p, x.v); }
AKIN_INLINE void StorePartial(V x, float* p, size_t count) {
  float lanes[V::kLanes];
  Store(x, lanes);
  std::memcpy(p, lanes, count * sizeof(float));
}
AKIN_INLINE V operator+(V a, V b) { return {vaddq_f32(a.v, b.v)}; }
AKIN_INLINE V operator-(V a, V b) { return {vsubq_f32(a.v, b.v)}; }
AKIN_INLINE V operator*(V a, V b) { return {vmulq_f32(a.v, b.v)}; }
AKIN_INLINE V operator/(V a, V b) { return {vdivq_f32(a.v, b.v)}; }
AKIN_INLINE V MulAdd(V a, V b, V c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
AKIN_INLINE V MulAddBroadcast(V x, V b, V c) {
  asm("fmla %0.4s, %1.4s, %2.s[0]" : "+w"(c.v) : "w"(b.v), "w"(x.v));
  return c;
}
// Min and Max give NaN when one operand is NaN.
AKIN_INLINE V Min(V a, V b) { return {vminq_f32(a.v, b.v)}; }
AKIN_INLINE V Max(V a, V b) { return {vmaxq_f32(a.v, b.v)}; }
AKIN_INLINE V Round(V x) { return {vrndnq_f32(x.v)}; }
// x * 2^n for integral n in [-126, 127], by adding n to the exponent of 1.
AKIN_INLINE V MulPow2(V x, V n) {
  const int32x4_t bits = vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.v), vdupq_n_s32(127)), 23);
  return {vmulq_f32(x.v, vreinterpretq_f32_s32(bits))};
}
// x where the mask is set, 0 elsewhere.
AKIN_INLINE V Masked(uint32x4_t mask, V x) {
  return {vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x.v), mask))};
}
// 0 where a < b, x elsewhere.
AKIN_INLINE V ZeroWhereLess(V a, V b, V x) { return Masked(vmvnq_u32(vcltq_f32(a.v, b.v)), x); }
// x with zeros from lane `count` on.
AKIN_INLINE V ZeroFrom(size_t count, V x) { return Masked(V::Mask(count), x); }
AKIN_INLINE float ReduceSum(V x) { return vaddvq_f32(x.v); }
AKIN_INLINE float ReduceMax(V x) { return vmaxvq_f32(x.v); }
// Four values kept in fewer bits.
AKIN_INLINE V LoadBf16(const Bf16* p) {
  uint16x4_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return {vreinterpretq_f32_u32(vshll_n_u16(bits, 16))};
}
AKIN_INLINE V LoadInt8(const int8_t* p) {
  uint32_t four;
  std::memcpy(&four, p, sizeof four);
  const int16x8_t wide = vmovl_s8(vcreate_s8(four));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)))};
}
// Writes the transpose of kLanes x kLanes dwords; rows are row_bytes apart, those of the result
// out_bytes. Rows after `last_row` are read as that one.
AKIN_INLINE void TransposeDwords(const std::byte* rows, size_t row_bytes, size_t last_row,
                                 std::byte* out, size_t out_bytes) {
  const auto row = [=](size_t i) { return rows + (i < last_row ? i : last_row) * row_bytes; };
  uint32x4_t r[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) std::memcpy(&r[i], row(i), sizeof r[i]);
  // Columns 2c and 2c + 1 of two rows, by turns; then of four.
  const auto pairs = [](uint32x4_t a, uint32x4_t b) {
    return vreinterpretq_u64_u32(vtrn1q_u32(a, b));
  };
  const auto odd_pairs = [](uint32x4_t a, uint32x4_t b) {
    return vreinterpretq_u64_u32(vtrn2q_u32(a, b));
  };
  const uint64x2_t even_top = pairs(r[0], r[1]), odd_top = odd_pairs(r[0], r[1]);
  const uint64x2_t even_bottom = pairs(r[2], r[3]), odd_bottom = odd_pairs(r[2], r[3]);
  const uint64x2_t columns[4] = {vtrn1q_u64(even_top, even_bottom), vtrn1q_u64(odd_top, odd_bottom),
                                 vtrn2q_u64(even_top, even_bottom),
                                 vtrn2q_u64(odd_top, odd_bottom)};
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) std::memcpy(out + c * out_bytes, &columns[c], sizeof columns[c]);
}
