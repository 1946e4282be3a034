// Named tensors of the model's files -> the encoder's weights, found by a table of names and
// checked by shape.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "akin/result.h"

#include "model/model_config.h"

namespace akin::model {

class ModelDirectory;

enum class DataType { kF32, kF16, kBf16 };

// A tensor in a mapped file, row-major; its bytes may be unaligned and are valid as long as
// ModelWeights lives.
struct Tensor {
  std::string name;
  DataType dtype = DataType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;

  int64_t num_elements() const;
};

// Converts `count` elements from `first` on to f32 (exact for F16 and BF16).
void ReadF32(const Tensor& tensor, int64_t first, std::span<float> out);

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

  // Keeps the mapped files alive.
  std::shared_ptr<const void> files;
};

// Errors: ModelNotFound (no weights), InvalidModel (a tensor missing, of the wrong shape or type),
// UnsupportedModel (only a pickle).
Result<ModelWeights> LoadWeights(const ModelDirectory& directory, const ModelConfig& config);

// Tells the system that the pages of `tensor` are not needed soon; reading them again works and
// costs a page fault.
void DropPages(const Tensor& tensor);

}  // namespace akin::model
