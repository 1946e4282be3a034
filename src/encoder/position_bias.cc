#include "encoder/position_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace akin::encoder {
namespace {

// log(x) as f32 has it: buckets change where this crosses a whole number.
float LogF32(float x) { return static_cast<float>(std::log(double{x})); }

size_t Width(const model::ModelConfig& config) {
  return 2 * static_cast<size_t>(config.max_positions) - 1;
}

size_t NumBiases(const model::ModelConfig& config) {
  if (!config.alibi && !config.relative_bias) return 0;
  return static_cast<size_t>(config.num_attention_heads) * Width(config);
}

}  // namespace

int RelativeBucket(int64_t distance, const model::RelativeBias& bias) {
  const int per_direction = bias.num_buckets / 2, exact = per_direction / 2;
  const int first = distance > 0 ? per_direction : 0;
  const int64_t apart = std::abs(distance);
  if (apart < exact) return first + static_cast<int>(apart);
  const float ratio = LogF32(static_cast<float>(apart) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(static_cast<double>(bias.max_distance) / exact));
  const int wide = exact + static_cast<int>(ratio * static_cast<float>(per_direction - exact));
  return first + std::min(wide, per_direction - 1);
}

std::vector<float> AlibiSlopes(int num_heads) {
  const auto powers = [](int n) {
    std::vector<float> slopes;
    for (int i = 1; i <= n; ++i)
      slopes.push_back(static_cast<float>(std::exp2(-8.0 * i / static_cast<double>(n))));
    return slopes;
  };
  int n = 1;
  while (2 * n <= num_heads) n *= 2;
  std::vector<float> slopes = powers(n);
  const std::vector<float> more = powers(2 * n);
  for (size_t i = 0; slopes.size() < static_cast<size_t>(num_heads); i += 2)
    slopes.push_back(more[i]);
  return slopes;
}

std::vector<int32_t> DisentangledRows(const model::Disentangled& d, int max_positions) {
  const int64_t mid = d.position_buckets / 2;
  const float log_range =
      LogF32(static_cast<float>(static_cast<double>(d.max_relative_positions - 1) /
                                static_cast<double>(std::max<int64_t>(mid, 1))));
  const auto bucket = [&](int64_t distance) -> int64_t {
    const int64_t apart = std::abs(distance);
    if (d.position_buckets <= 0 || apart <= mid) return distance;
    const float log = LogF32(static_cast<float>(apart) / static_cast<float>(mid)) / log_range;
    const auto wide = static_cast<int64_t>(std::ceil(log * static_cast<float>(mid - 1))) + mid;
    return distance > 0 ? wide : -wide;
  };
  std::vector<int32_t> rows;
  const int64_t most = max_positions - 1, span = d.span();
  for (int64_t distance = -most; distance <= most; ++distance) {
    const int64_t row = std::clamp<int64_t>(bucket(distance) + span, 0, 2 * span - 1);
    rows.push_back(static_cast<int32_t>(row));
  }
  return rows;
}

size_t DistanceBias::Bytes(const model::ModelConfig& config) {
  return NumBiases(config) * sizeof(float);
}

DistanceBias::DistanceBias(const model::ModelWeights& weights, const model::ModelConfig& config)
    : max_positions_(static_cast<size_t>(config.max_positions)), width_(Width(config)) {
  values_.resize(NumBiases(config));
  if (values_.empty()) return;
  const size_t heads = static_cast<size_t>(config.num_attention_heads);
  const std::vector<float> slopes = AlibiSlopes(config.num_attention_heads);
  const std::vector<float> table =
      config.relative_bias ? model::ReadAll(weights.relative_attention_bias) : std::vector<float>();
  for (size_t i = 0; i < width_; ++i) {
    const int64_t distance = static_cast<int64_t>(i) - static_cast<int64_t>(max_positions_) + 1;
    const size_t bucket = config.relative_bias
                              ? static_cast<size_t>(RelativeBucket(distance, *config.relative_bias))
                              : 0;
    for (size_t h = 0; h < heads; ++h) {
      values_[h * width_ + i] = config.relative_bias
                                    ? table[bucket * heads + h]
                                    : -slopes[h] * static_cast<float>(std::abs(distance));
    }
  }
}

}  // namespace akin::encoder
