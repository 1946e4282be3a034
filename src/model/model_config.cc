#include "model/model_config.h"

#include <array>
#include <cmath>
#include <span>

#include "base/strings.h"
#include "model/model_directory.h"

namespace akin::model {
namespace {

using formats::JsonValue;

// Far above any model, far below what could overflow a product of two.
constexpr int64_t kMaxSize = int64_t{1} << 24;
constexpr int64_t kMaxVocabulary = int64_t{1} << 27;
constexpr int64_t kMaxLayers = 1024;

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
// transformers' names (activations.py).
constexpr NamedActivation kActivations[] = {{"gelu", Activation::kGelu},
                                            {"gelu_new", Activation::kGeluTanh},
                                            {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                            {"relu", Activation::kRelu}};

Result<int> ReadSize(JsonValue root, std::string_view key, int64_t max) {
  AKIN_TRY_ASSIGN(const JsonValue value, root.Get(key));
  AKIN_TRY_ASSIGN(const int64_t size, value.AsIntIn(1, max));
  return static_cast<int>(size);
}

Result<Activation> ReadActivation(JsonValue root) {
  const auto value = root.Find("hidden_act");
  if (!value) return Activation::kGelu;  // transformers' default for BERT.
  AKIN_TRY_ASSIGN(const std::string_view name, value->AsString());
  std::string known;
  for (const NamedActivation& row : kActivations) {
    if (row.name == name) return row.activation;
    known += StrCat(known.empty() ? "" : ", ", row.name);
  }
  return UnsupportedModel(value->Where(), " is ", value->Found(), "; supported: ", known);
}

Result<float> ReadLayerNormEps(JsonValue root) {
  const auto value = root.Find("layer_norm_eps");
  if (!value) return 1e-12f;  // transformers' default for BERT.
  AKIN_TRY_ASSIGN(const double eps, value->AsDouble());
  if (!(eps >= 0.0 && eps <= 1.0)) {
    return InvalidModel(value->Where(), " is ", value->Found(), ", expected a number from 0 to 1");
  }
  return static_cast<float>(eps);
}

// Variants of BERT that config.json can ask for and that are not implemented.
Status CheckVariants(JsonValue root) {
  if (const auto type = root.Find("position_embedding_type"); type && !type->is_null()) {
    AKIN_TRY_ASSIGN(const std::string_view name, type->AsString());
    if (name != "absolute")
      return UnsupportedModel(type->Where(), " is ", type->Found(), "; supported: \"absolute\"");
  }
  for (const std::string_view key : {"is_decoder", "add_cross_attention"}) {
    const auto value = root.Find(key);
    if (!value || value->is_null()) continue;
    AKIN_TRY_ASSIGN(const bool set, value->AsBool());
    if (set) return UnsupportedModel(value->Where(), " is true; only encoders are supported");
  }
  return {};
}

}  // namespace

Result<ModelConfig> ParseModelConfig(const JsonValue& root) {
  AKIN_TRY(root.AsObject());
  ModelConfig config;
  AKIN_TRY_ASSIGN(const JsonValue type, root.Get("model_type"));
  AKIN_TRY_ASSIGN(const std::string_view model_type, type.AsString());
  config.model_type = std::string(model_type);
  if (model_type != "bert")
    return UnsupportedModel(type.Where(), " is ", type.Found(), "; supported: \"bert\"");

  AKIN_TRY_ASSIGN(config.vocab_size, ReadSize(root, "vocab_size", kMaxVocabulary));
  AKIN_TRY_ASSIGN(config.hidden_size, ReadSize(root, "hidden_size", kMaxSize));
  AKIN_TRY_ASSIGN(config.num_hidden_layers, ReadSize(root, "num_hidden_layers", kMaxLayers));
  AKIN_TRY_ASSIGN(config.num_attention_heads, ReadSize(root, "num_attention_heads", kMaxSize));
  AKIN_TRY_ASSIGN(config.intermediate_size, ReadSize(root, "intermediate_size", kMaxSize));
  AKIN_TRY_ASSIGN(config.max_position_embeddings,
                  ReadSize(root, "max_position_embeddings", kMaxSize));
  AKIN_TRY_ASSIGN(config.type_vocab_size, ReadSize(root, "type_vocab_size", kMaxSize));
  if (config.hidden_size % config.num_attention_heads != 0) {
    return InvalidModel(root.Where(), ": hidden_size ", config.hidden_size,
                        " is no multiple of num_attention_heads ", config.num_attention_heads);
  }
  AKIN_TRY_ASSIGN(config.hidden_act, ReadActivation(root));
  AKIN_TRY_ASSIGN(config.layer_norm_eps, ReadLayerNormEps(root));
  AKIN_TRY(CheckVariants(root));
  return config;
}

Result<ModelConfig> LoadModelConfig(const ModelDirectory& directory) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document, directory.ReadJson("config.json"));
  return ParseModelConfig(document.root());
}

}  // namespace akin::model
