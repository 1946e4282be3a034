#pragma once

#include <optional>
#include <vector>

#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

// LayerNorm or RMSNorm, as the model has it.
class Norm {
 public:
  Norm(const model::Norm& weights, const model::ModelConfig& config,
       const kernels::Kernels& kernels);
  // Nothing for a norm that the model does not have.
  static std::optional<Norm> Make(const model::Norm& weights, const model::ModelConfig& config,
                                  const kernels::Kernels& kernels);

  // Normalizes the rows of `rows` in place.
  void Forward(MatrixView<float> rows) const { Run(rows, rows, false); }
  void Forward(MatrixView<const float> input, MatrixView<float> output) const {
    Run(input, output, false);
  }
  // output += the normalized rows of `input`.
  void AddTo(MatrixView<const float> input, MatrixView<float> output) const {
    Run(input, output, true);
  }

 private:
  void Run(MatrixView<const float> input, MatrixView<float> output, bool add) const;

  std::vector<float> weight_;  // [size]
  std::vector<float> bias_;    // [size], or empty.
  float eps_;
  void (*norm_)(const kernels::NormArgs& args);
};

}  // namespace akin::encoder
