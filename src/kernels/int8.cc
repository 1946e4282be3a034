#include "kernels/int8.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace akin::kernels {

void Rotate(std::span<float> x, size_t rotation) {
  for (size_t half = 1; half < rotation; half *= 2) {
    for (size_t i = 0; i < x.size(); ++i) {
      if (i & half) continue;
      const float a = x[i], b = x[i + half];
      x[i] = a + b;
      x[i + half] = a - b;
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

float WeightScale(std::span<const float> weights) { return LargestMagnitude(weights) / 127.0f; }

void QuantizeWeights(std::span<const float> weights, float scale, int8_t* quantized) {
  const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
  for (size_t i = 0; i < weights.size(); ++i) {
    const float q = std::nearbyint(weights[i] * inverse);
    quantized[i] = std::abs(q) <= 127.0f ? static_cast<int8_t>(q) : int8_t{0};
  }
}

}  // namespace akin::kernels
