// The tier's part of generic/rotation-inl.h. Included after vec.h.
#pragma once

// A step of the rotation between lanes that differ in one bit: a + b where it is clear, a - b where
// it is set. `neighbour` has the lanes swapped.
AKIN_INLINE V Butterfly(V x, float32x4_t neighbour, uint32x4_t set) {
  return {vbslq_f32(set, vsubq_f32(neighbour, x.v), vaddq_f32(neighbour, x.v))};
}

AKIN_INLINE V RotateLanes(V x, size_t rotation) {
  if (rotation > 1) x = Butterfly(x, vrev64q_f32(x.v), uint32x4_t{0, ~0u, 0, ~0u});
  if (rotation > 2) x = Butterfly(x, vextq_f32(x.v, x.v, 2), uint32x4_t{0, 0, ~0u, ~0u});
  return x;
}

AKIN_INLINE V LargerMagnitude(V largest, V x) {
  const uint32x4_t magnitude = vreinterpretq_u32_f32(vabsq_f32(x.v));
  return {vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(largest.v), magnitude))};
}

AKIN_INLINE float LargestLane(V largest) {
  float lanes[V::kLanes];
  Store(largest, lanes);
  return LargestMagnitude(lanes);
}

// Four weights, rounded to nearest even; 0 for what is above kLargest or NaN.
AKIN_INLINE void StoreWeights(V x, int8_t* out) {
  const int32x4_t q = vcvtnq_s32_f32(x.v);  // What is too large is the largest; NaN is 0.
  const uint32x4_t fits =
      vcleq_u32(vreinterpretq_u32_s32(vqabsq_s32(q)), vdupq_n_u32(kLargest<int8_t>));
  const int16x4_t words = vmovn_s32(vandq_s32(q, vreinterpretq_s32_u32(fits)));
  const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
  std::memcpy(out, &bytes, 4);
}
