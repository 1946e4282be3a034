#include "fuzz/model_targets.h"

#include <string>

#include "formats/json.h"
#include "fuzz/support.h"
#include "model/model_config.h"
#include "model/tensor_index.h"
#include "model/weights.h"

namespace akin::fuzz {
namespace {

// What the encoder takes for granted.
void CheckConfig(const model::ModelConfig& config) {
  Require(config.architecture != nullptr && !config.model_type.empty());
  for (const int size : {config.vocab_size, config.hidden_size, config.num_hidden_layers,
                         config.num_attention_heads, config.num_key_value_heads, config.head_dim,
                         config.intermediate_size, config.max_positions, config.embedding_size})
    Require(size > 0);
  Require(config.num_attention_heads % config.num_key_value_heads == 0);
  Require(config.layers.size() == static_cast<size_t>(config.num_hidden_layers));
  for (const model::LayerAttention& layer : config.layers) {
    Require(layer.left >= 0 && layer.right >= 0);
    Require(layer.rotary < static_cast<int>(config.rotary.size()));
  }
  for (const model::Rotary& rotary : config.rotary) {
    Require(rotary.rotary_dim % 2 == 0 && rotary.rotary_dim <= config.head_dim);
    Require(2 * rotary.inverse_frequencies.size() == static_cast<size_t>(rotary.rotary_dim));
  }
  Require(config.attention_scale > 0.0f && config.layer_norm_eps >= 0.0f);
  if (config.convolution) Require(config.convolution->kernel_size % 2 == 1);
  if (config.disentangled) Require(config.disentangled->span() > 0);
}

}  // namespace

void LoadConfig(std::string_view json) {
  const auto document = formats::JsonDocument::Parse(json, "config.json");
  if (!document) return;
  const auto config = model::ParseModelConfig(document->root());
  if (!config) {
    Require(!config.error().message().empty());
    return;
  }
  CheckConfig(*config);
  const auto weights = model::LoadWeights(model::TensorIndex({}, nullptr, "nothing"), *config);
  Require(!weights && weights.error().code() == ErrorCode::kInvalidModel);
}

}  // namespace akin::fuzz
