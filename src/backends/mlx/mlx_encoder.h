// A transformer of the BERT family (Devlin et al., 2019) as an MLX graph. Everything here is called
// on the MlxThread.
#pragma once

#include <mlx/mlx.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "akin/result.h"

#include "model/model_config.h"
#include "model/weights.h"

namespace akin::backends::mlx {

// Sequences as the rows of a rectangle, padded at their ends.
struct PaddedBatch {
  int batch = 0, length = 0;
  std::vector<int32_t> input_ids, token_type_ids, positions;  // [batch, length]
  std::vector<uint8_t> attended;                              // [batch, length]; 0: padding.
};

// Errors: UnsupportedModel, with the key of config.json that is not of the family.
Status CheckIsOfBertFamily(const model::ModelConfig& config);

class MlxEncoder {
 public:
  // Copies the weights; products run in `dtype`, everything else in f32.
  MlxEncoder(const model::ModelConfig& config, const model::ModelWeights& weights,
             ::mlx::core::Dtype dtype);

  // hidden states [batch * length, hidden_size]
  void Forward(const PaddedBatch& batch, std::span<float> states);

 private:
  using Arrays = std::vector<::mlx::core::array>;

  void Add(const model::Tensor& tensor, ::mlx::core::Dtype dtype);
  void Add(const model::Linear& linear);
  void Add(const model::Norm& norm);

  const model::ModelConfig config_;
  const ::mlx::core::Dtype dtype_;
  Arrays weights_;                              // In the order in which the graph takes them.
  std::function<Arrays(const Arrays&)> graph_;  // Compiled anew for each shape.
};

}  // namespace akin::backends::mlx
