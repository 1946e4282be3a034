// What an encoder holds beside its products' weights: every table that a constructor fills.
#include <algorithm>
#include <initializer_list>

#include "encoder/attention.h"
#include "encoder/convolution.h"
#include "encoder/encoder.h"
#include "encoder/feed_forward.h"
#include "encoder/position_bias.h"
#include "encoder/rotary_table.h"
#include "encoder/word_rows.h"

namespace akin::encoder {
namespace {

// Of a tensor that is kept in f32.
size_t Bytes(const model::Tensor& tensor) {
  return tensor.empty() ? 0 : static_cast<size_t>(tensor.num_elements()) * sizeof(float);
}

size_t Bytes(const model::Norm& norm) { return Bytes(norm.weight) + Bytes(norm.bias); }

size_t NormBytes(const model::ModelWeights& weights) {
  size_t bytes = Bytes(weights.embedding_norm) + Bytes(weights.relative_norm) +
                 Bytes(weights.convolution_norm) + Bytes(weights.final_norm);
  for (const model::LayerWeights& layer : weights.layers) {
    bytes += Bytes(layer.attention_norm) + Bytes(layer.attention_branch_norm) +
             Bytes(layer.query_norm) + Bytes(layer.key_norm) + Bytes(layer.feed_forward_norm) +
             Bytes(layer.feed_forward_branch_norm);
  }
  return bytes;
}

size_t PositionBytes(const model::ModelConfig& config, size_t longest) {
  size_t bytes = DistanceBias::Bytes(config);
  const size_t reached = std::min(longest, static_cast<size_t>(config.max_positions));
  for (const model::Rotary& rotary : config.rotary) bytes += RotaryTable::Bytes(rotary, reached);
  return bytes;
}

// Keys and queries of relative positions of every layer, and what they are made of meanwhile.
size_t DisentangledBytes(const model::ModelConfig& config, const model::ModelWeights& weights,
                         const kernels::Kernels& kernels) {
  if (!config.disentangled) return 0;
  const size_t values = static_cast<size_t>(weights.relative_embeddings.num_elements());
  const size_t element = kernels.attention_bf16.attention != nullptr ? sizeof(Bf16) : sizeof(float);
  const size_t kinds = (config.disentangled->content_to_position ? 1 : 0) +
                       (config.disentangled->position_to_content ? 1 : 0);
  const size_t rows = 2 * static_cast<size_t>(config.max_positions) * sizeof(int32_t);
  return rows + weights.layers.size() * kinds * values * element + 4 * values * sizeof(float);
}

// The most inputs of a product.
size_t MostInputs(const model::ModelWeights& weights) {
  int64_t most = 0;
  const auto look_at = [&](std::initializer_list<const model::Linear*> linears) {
    for (const model::Linear* linear : linears)
      if (!linear->empty()) most = std::max(most, linear->inputs());
  };
  look_at({&weights.embedding_projection, &weights.convolution});
  for (const model::LayerWeights& layer : weights.layers)
    look_at({&layer.query, &layer.attention_output, &layer.intermediate, &layer.output});
  return static_cast<size_t>(most);
}

}  // namespace

EncoderMemory Encoder::MemoryOf(const model::ModelConfig& config,
                                const model::ModelWeights& weights, const kernels::Kernels& kernels,
                                size_t longest) {
  return {.weights = PackedBytes(config, weights, kernels),
          .tables = WordRows::Bytes(weights.word_embeddings) + Bytes(weights.position_embeddings) +
                    Bytes(weights.token_type_embeddings) + Bytes(weights.task_type_embeddings) +
                    NormBytes(weights) + PositionBytes(config, longest) +
                    DisentangledBytes(config, weights, kernels),
          .packing = LinearSource::Scratch::Bytes(kernels, MostInputs(weights))};
}

}  // namespace akin::encoder
