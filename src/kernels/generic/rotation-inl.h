// The rotation of integers.h in vectors, and integer weights after it: the values and scales of
// Rotate, RotateWeights, WeightScale and QuantizeWeights there, bit for bit. Included after the
// tier's vec.h and rotation.h, which defines
//   RotateLanes(x, rotation)   the steps of the rotation within a vector,
//   LargerMagnitude(a, x)      the larger one of a >= 0 and |x| by lane, NaN above infinity,
//   LargestLane(a)             the largest lane in that order,
//   StoreWeights(x, out)       x to int8 or int16, rounded to nearest even, 0 where it is larger
//                              than kLargest of that.
#pragma once

// `length` values -> rotated, in `out`, zeros up to a whole vector; returns the largest magnitude.
inline float RotateGroup(const float* x, size_t length, size_t rotation, float* out) {
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
  V largest = V::Set(0.0f);
  for (size_t j = 0; j < length; j += V::kLanes)
    largest = LargerMagnitude(largest, V::Load(out + j));
  return LargestLane(largest);
}

// Vectors of a block of the size that nearly every model has.
constexpr size_t kBlockVecs = kMaxRotation / V::kLanes;

// The same for whole blocks of it, each in registers.
inline float RotateBlocks(const float* x, size_t length, float* out) {
  V largest = V::Set(0.0f);
  for (size_t block = 0; block < length; block += kMaxRotation) {
    V v[kBlockVecs];
#pragma GCC unroll 8
    for (size_t i = 0; i < kBlockVecs; ++i)
      v[i] = RotateLanes(V::Load(x + block + i * V::kLanes), kMaxRotation);
#pragma GCC unroll 3
    for (size_t half = 1; half < kBlockVecs; half *= 2) {
#pragma GCC unroll 8
      for (size_t i = 0; i < kBlockVecs; ++i) {
        if (i & half) continue;
        const V a = v[i], b = v[i + half];
        v[i] = a + b;
        v[i + half] = a - b;
      }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < kBlockVecs; ++i) {
      largest = LargerMagnitude(largest, v[i]);
      Store(v[i], out + block + i * V::kLanes);
    }
  }
  return LargestLane(largest);
}

// Rotates at most a group, whole blocks, into `out`, with room for a whole last vector; returns the
// largest magnitude.
inline float RotateValues(const float* x, size_t length, size_t rotation, float* out) {
  // Eight vectors fit the registers of every tier with some to spare.
  const bool in_registers = kBlockVecs <= 8 && rotation == kMaxRotation;
  return in_registers ? RotateBlocks(x, length, out) : RotateGroup(x, length, rotation, out);
}

// That of weights whose largest magnitude after the rotation is this.
template <typename Weight>
float RotatedScale(float largest, size_t rotation) {
  return largest * (1.0f / static_cast<float>(rotation)) / float{kLargest<Weight>};
}

// Rotated weights as integers; `out` has room for a whole last vector.
template <typename Weight>
void EncodeRotated(const float* rotated, size_t length, size_t rotation, float scale, Weight* out) {
  const V back = V::Set(1.0f / static_cast<float>(rotation));
  const V inverse = V::Set(scale > 0.0f ? 1.0f / scale : 0.0f);
  for (size_t i = 0; i < length; i += V::kLanes)
    StoreWeights(V::Load(rotated + i) * back * inverse, out + i);
}

// At most a group's weights of one column that share a scale with others.
inline void EncodeInt8(const float* weights, size_t length, size_t rotation, float scale,
                       int8_t* out) {
  alignas(64) float rotated[IntegerShape::kMaxGroup];
  RotateValues(weights, length, rotation, rotated);
  EncodeRotated(rotated, length, rotation, scale, out);
}

// The scale of all weights of a column.
inline float ScaleOfRow(const float* weights, size_t k) {
  alignas(64) float rotated[IntegerShape::kMaxGroup];
  const size_t rotation = RotationOf(k);
  V largest = V::Set(0.0f);
  for (size_t i = 0; i < k; i += IntegerShape::kMaxGroup) {
    const size_t length = k - i < IntegerShape::kMaxGroup ? k - i : IntegerShape::kMaxGroup;
    largest =
        LargerMagnitude(largest, V::Set(RotateValues(weights + i, length, rotation, rotated)));
  }
  return RotatedScale<int8_t>(LargestLane(largest), rotation);
}

// At most a group's weights of one column with a scale of their own, which is returned; zeros after
// them up to `end`.
template <typename Weight>
float EncodeGroup(const float* weights, size_t length, size_t end, size_t rotation, Weight* out) {
  alignas(64) float rotated[IntegerShape::kMaxGroup];
  const float scale =
      RotatedScale<Weight>(RotateValues(weights, length, rotation, rotated), rotation);
  EncodeRotated(rotated, length, rotation, scale, out);
  for (size_t i = length; i < end; ++i) out[i] = 0;
  return scale;
}

inline int32_t SumOf(const int8_t* values, size_t count) {
  int32_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += values[i];
  return sum;
}
