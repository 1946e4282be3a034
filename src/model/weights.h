// Named tensors of the model's files -> the encoder's weights, found by the architecture's table of
// names and checked by shape.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "akin/result.h"

#include "model/model_config.h"
#include "model/tensor.h"

namespace akin::model {

class ModelDirectory;
class TensorFiles;
class TensorIndex;

// A linear layer, whole or as some rows of a tensor that holds several.
struct Linear {
  Tensor weight;  // [out, in]
  Tensor bias;    // [out], or empty: none.
  // Output j is row rows[j] of the tensors; empty: row j.
  std::vector<int32_t> rows;

  bool empty() const { return weight.empty(); }
  int64_t outputs() const {
    return rows.empty() ? weight.shape[0] : static_cast<int64_t>(rows.size());
  }
  int64_t inputs() const { return weight.shape[1]; }
};

struct Norm {
  Tensor weight;  // [size]; empty: there is no such norm.
  Tensor bias;    // [size], or empty.

  bool empty() const { return weight.empty(); }
};

struct LayerWeights {
  Norm attention_norm;  // kPost: after the sum with the layer's input; else before attention.
  Norm attention_branch_norm;           // kSandwich: after attention, before the sum.
  Linear query;                         // [num_attention_heads * head_dim, hidden_size]
  Linear key, value;                    // [num_key_value_heads * head_dim, hidden_size]
  Norm query_norm, key_norm;            // [head_dim]
  Linear attention_output;              // [hidden_size, num_attention_heads * head_dim]
  Linear position_key, position_query;  // [hidden_size, hidden_size]; DeBERTa's.
  Norm feed_forward_norm;
  Norm feed_forward_branch_norm;
  Linear gate;          // [intermediate_size, hidden_size], of gated ones.
  Linear intermediate;  // [intermediate_size, hidden_size]
  Linear output;        // [hidden_size, intermediate_size]
};

struct ModelWeights {
  Tensor word_embeddings;          // [vocab_size, embedding_size]
  Tensor position_embeddings;      // [max_position_embeddings, embedding_size]
  Tensor token_type_embeddings;    // [type_vocab_size, embedding_size]
  Tensor task_type_embeddings;     // [task_type_vocab_size, embedding_size]
  Norm embedding_norm;             // [embedding_size], or [hidden_size] after a projection.
  Linear embedding_projection;     // [hidden_size, embedding_size]
  Tensor relative_attention_bias;  // [num_buckets, num_attention_heads]
  Tensor relative_embeddings;      // [2 * span, hidden_size]
  Norm relative_norm;
  // [hidden_size, hidden_size * kernel_size]: for each input, the tokens from left to right.
  Linear convolution;
  Norm convolution_norm;
  Norm final_norm;
  // Layers that differ: num_hidden_layers, or those of the groups that share them.
  std::vector<LayerWeights> layers;
  int64_t num_parameters = 0;
  std::vector<std::string> notes;  // What of the files is not used.

  // Keeps the bytes of the tensors alive.
  std::shared_ptr<const void> tensors;
  std::shared_ptr<const TensorFiles> files;  // As TensorIndex::files.
};

// The tensors of the folder's files: safetensors, or else an ONNX graph (model/onnx_weights.h).
// Errors: as TensorIndex::Open's or LoadOnnxWeights', and as below.
Result<ModelWeights> LoadWeights(const ModelDirectory& directory, const ModelConfig& config);

// Errors: InvalidModel (a tensor missing or of the wrong shape), UnsupportedModel (of a type that
// is not converted).
Result<ModelWeights> LoadWeights(const TensorIndex& tensors, const ModelConfig& config);

}  // namespace akin::model
