// config.json -> the shape of the transformer. Fields are spelled as config.json spells them.
#pragma once

#include <string>

#include "akin/result.h"

#include "formats/json.h"

namespace akin::model {

class ModelDirectory;

enum class Activation { kGelu, kGeluTanh, kRelu };

struct ModelConfig {
  std::string model_type;
  int vocab_size = 0;
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int intermediate_size = 0;
  int max_position_embeddings = 0;
  int type_vocab_size = 0;
  Activation hidden_act = Activation::kGelu;
  float layer_norm_eps = 1e-12f;

  int head_dim() const { return hidden_size / num_attention_heads; }
};

// Errors: InvalidModel (a value missing, of the wrong type, out of range or contradicting another),
// UnsupportedModel (another architecture, activation or kind of positions); both name the key.
Result<ModelConfig> ParseModelConfig(const formats::JsonValue& root);

// The folder's config.json. Errors: also ModelNotFound.
Result<ModelConfig> LoadModelConfig(const ModelDirectory& directory);

}  // namespace akin::model
