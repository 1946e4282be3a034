// What positions add to the scores of attention, by distance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

// A bias for every head and distance j - i: T5's and MPNet's by buckets, or ALiBi's slopes.
class DistanceBias {
 public:
  DistanceBias(const model::ModelWeights& weights, const model::ModelConfig& config);

  // What `values_` takes of such a model.
  static size_t Bytes(const model::ModelConfig& config);

  // Of one head: element j - i is that of query i and key j, |j - i| < max_positions. Null where
  // the model has no such bias.
  const float* head(size_t head) const {
    return values_.empty() ? nullptr : &values_[head * width_ + max_positions_ - 1];
  }

 private:
  size_t max_positions_;
  size_t width_;               // 2 * max_positions - 1
  std::vector<float> values_;  // [num_attention_heads, width], or empty.
};

// The bucket of a key `distance` tokens after its query (before it, if negative): half of them for
// each direction, the first half of those a distance each, the others ever wider.
int RelativeBucket(int64_t distance, const model::RelativeBias& bias);

// The slope of each head (Press et al., 2022): powers of 2^(-8 / n) for n heads, a power of two;
// other counts take every second one of the next power of two for the rest.
std::vector<float> AlibiSlopes(int num_heads);

// DeBERTa's row of the relative embeddings for every distance i - j, |i - j| < max_positions;
// element max_positions - 1 is that of distance 0.
std::vector<int32_t> DisentangledRows(const model::Disentangled& disentangled, int max_positions);

}  // namespace akin::encoder
