#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "model/weights.h"

namespace akin::encoder {

class LayerNorm {
 public:
  LayerNorm(const model::LayerNorm& weights, float eps, const kernels::Kernels& kernels);

  size_t size() const { return weight_.size(); }  // hidden_size
  // Normalizes the rows of `hidden` in place.
  void Forward(MatrixView<float> hidden) const;

 private:
  std::vector<float> weight_;  // [hidden_size]
  std::vector<float> bias_;    // [hidden_size]
  float eps_;
  const kernels::Kernels& kernels_;
};

}  // namespace akin::encoder
