#include "encoder/norm.h"

namespace akin::encoder {

Norm::Norm(const model::Norm& weights, const model::ModelConfig& config,
           const kernels::Kernels& kernels)
    : weight_(model::ReadAll(weights.weight)),
      eps_(config.layer_norm_eps),
      norm_(config.norm == model::NormKind::kRmsNorm ? kernels.rms_norm : kernels.layer_norm) {
  if (!weights.bias.empty()) bias_ = model::ReadAll(weights.bias);
  for (float& weight : weight_) weight += config.norm_weight_offset;
}

std::optional<Norm> Norm::Make(const model::Norm& weights, const model::ModelConfig& config,
                               const kernels::Kernels& kernels) {
  if (weights.empty()) return std::nullopt;
  return Norm(weights, config, kernels);
}

void Norm::Run(MatrixView<const float> input, MatrixView<float> output, bool add) const {
  norm_({.input = input,
         .output = output,
         .weight = weight_.data(),
         .bias = bias_.empty() ? nullptr : bias_.data(),
         .eps = eps_,
         .add = add});
}

}  // namespace akin::encoder
