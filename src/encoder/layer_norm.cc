#include "encoder/layer_norm.h"

namespace akin::encoder {
namespace {

std::vector<float> ReadVector(const model::Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.num_elements()));
  model::ReadF32(tensor, 0, values);
  return values;
}

}  // namespace

LayerNorm::LayerNorm(const model::LayerNorm& weights, float eps, const kernels::Kernels& kernels)
    : weight_(ReadVector(weights.weight)),
      bias_(ReadVector(weights.bias)),
      eps_(eps),
      kernels_(kernels) {}

void LayerNorm::Forward(MatrixView<float> hidden) const {
  kernels_.layer_norm({.input = hidden,
                       .output = hidden,
                       .weight = weight_.data(),
                       .bias = bias_.data(),
                       .eps = eps_});
}

}  // namespace akin::encoder
