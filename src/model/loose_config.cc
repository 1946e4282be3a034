#include "model/loose_config.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "model/model_directory.h"

namespace akin::model {
namespace {

// A whole number under one of its names; 0: there is none.
int SizeIn(const formats::JsonValue& root, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const std::optional<formats::JsonValue> value = root.Find(name);
    if (!value) continue;
    if (const Result<int64_t> size = value->AsIntIn(1, INT32_MAX)) return static_cast<int>(*size);
  }
  return 0;
}

}  // namespace

Result<ModelConfig> LoadLooseConfig(const ModelDirectory& directory) {
  ModelConfig config;
  AKIN_TRY_ASSIGN(const auto document, directory.ReadJsonIfExists("config.json"));
  if (!document) return config;
  const formats::JsonValue root = document->root();
  AKIN_TRY(root.AsObject());
  if (const auto type = root.Find("model_type"); type && type->is_string())
    config.model_type = std::string(*type->AsString());
  config.vocab_size = SizeIn(root, {"vocab_size"});
  config.hidden_size = SizeIn(root, {"hidden_size", "d_model", "dim", "n_embd"});
  config.num_hidden_layers =
      SizeIn(root, {"num_hidden_layers", "num_layers", "n_layers", "n_layer"});
  config.num_attention_heads =
      SizeIn(root, {"num_attention_heads", "num_heads", "n_heads", "n_head"});
  config.max_positions =
      SizeIn(root, {"max_position_embeddings", "n_positions", "max_trained_positions"});
  config.pad_token_id = SizeIn(root, {"pad_token_id"});
  return config;
}

}  // namespace akin::model
