#include "kernels/integers.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace akin::kernels {

void Rotate(std::span<float> x, size_t rotation) {
  size_t half = 1;
  if (rotation >= 4) {
    // The first two steps at once, for the compiler's vectors.
    for (size_t i = 0; i < x.size(); i += 4) {
      const float a = x[i] + x[i + 1], b = x[i] - x[i + 1];
      const float c = x[i + 2] + x[i + 3], d = x[i + 2] - x[i + 3];
      x[i] = a + c;
      x[i + 1] = b + d;
      x[i + 2] = a - c;
      x[i + 3] = b - d;
    }
    half = 4;
  }
  for (; half < rotation; half *= 2) {
    for (size_t block = 0; block < x.size(); block += 2 * half) {
      float* const low = x.data() + block;
      float* const high = low + half;
      for (size_t i = 0; i < half; ++i) {
        const float a = low[i], b = high[i];
        low[i] = a + b;
        high[i] = a - b;
      }
    }
  }
}

float LargestMagnitude(std::span<const float> values) {
  // As integers, magnitudes stand in their own order, infinity above them and NaN on top.
  uint32_t largest = 0;
  for (const float x : values)
    largest = std::max(largest, std::bit_cast<uint32_t>(x) & 0x7fffffffu);
  return std::bit_cast<float>(largest);
}

void RotateWeights(std::span<const float> weights, size_t rotation, float* rotated) {
  std::ranges::copy(weights, rotated);
  Rotate({rotated, weights.size()}, rotation);
  // H H^T = rotation * I
  const float inverse = 1.0f / static_cast<float>(rotation);
  for (size_t i = 0; i < weights.size(); ++i) rotated[i] *= inverse;
}

template <typename Weight>
float WeightScale(std::span<const float> weights) {
  return LargestMagnitude(weights) / float{kLargest<Weight>};
}

template <typename Weight>
void QuantizeWeights(std::span<const float> weights, float scale, Weight* quantized) {
  const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
  for (size_t i = 0; i < weights.size(); ++i) {
    // Rounds to nearest, ties to even: beside kUnit a float's last place is 1. What is too large
    // stays so.
    constexpr float kUnit = 12582912.0f;  // 1.5 * 2^23
    const float q = (weights[i] * inverse + kUnit) - kUnit;
    const float bounded = std::abs(q) <= float{kLargest<Weight>} ? q : 0.0f;
    quantized[i] = static_cast<Weight>(static_cast<int32_t>(bounded));
  }
}

template float WeightScale<int8_t>(std::span<const float> weights);
template float WeightScale<int16_t>(std::span<const float> weights);
template void QuantizeWeights(std::span<const float> weights, float scale, int8_t* quantized);
template void QuantizeWeights(std::span<const float> weights, float scale, int16_t* quantized);

size_t IntegerPanelLayout::group_bytes(size_t length) const {
  const size_t steps = (length + depth - 1) / depth;
  return head_bytes() + steps * width * depth * weight_bytes;
}

size_t IntegerPanelLayout::panel_bytes(size_t k) const {
  const IntegerShape shape(k);
  size_t bytes = width * sizeof(float);
  for (size_t g = 0; g < shape.groups; ++g) bytes += group_bytes(shape.length(g));
  return (bytes + 63) / 64 * 64;
}

}  // namespace akin::kernels
