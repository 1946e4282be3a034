// Named tensors of the model's files -> the encoder's weights, found by a table of names and
// checked by shape.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "akin/result.h"

#include "model/model_config.h"
#include "model/tensor.h"

namespace akin::model {

class ModelDirectory;
class TensorIndex;

struct Linear {
  Tensor weight;  // [out, in]
  Tensor bias;    // [out]
};

struct LayerNorm {
  Tensor weight;  // [hidden_size]
  Tensor bias;    // [hidden_size]
};

struct LayerWeights {
  Linear query, key, value;  // [hidden_size, hidden_size]
  Linear attention_output;   // [hidden_size, hidden_size]
  LayerNorm attention_norm;
  Linear intermediate;  // [intermediate_size, hidden_size]
  Linear output;        // [hidden_size, intermediate_size]
  LayerNorm output_norm;
};

struct ModelWeights {
  Tensor word_embeddings;        // [vocab_size, hidden_size]
  Tensor position_embeddings;    // [max_position_embeddings, hidden_size]
  Tensor token_type_embeddings;  // [type_vocab_size, hidden_size]
  LayerNorm embedding_norm;
  std::vector<LayerWeights> layers;
  int64_t num_parameters = 0;

  // Keeps the bytes of the tensors alive.
  std::shared_ptr<const void> tensors;
};

// The tensors of the folder's files. Errors: as TensorIndex::Open's, and as below.
Result<ModelWeights> LoadWeights(const ModelDirectory& directory, const ModelConfig& config);

// Errors: InvalidModel (a tensor missing or of the wrong shape), UnsupportedModel (of a type that
// is not converted).
Result<ModelWeights> LoadWeights(const TensorIndex& tensors, const ModelConfig& config);

}  // namespace akin::model
