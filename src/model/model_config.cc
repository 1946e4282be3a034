#include "model/model_config.h"

#include <cmath>
#include <string>
#include <utility>

#include "base/strings.h"
#include "model/architecture.h"
#include "model/config_reader.h"
#include "model/model_directory.h"

namespace akin::model {
namespace {

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
// transformers' names (activations.py), and those of gates in repositories of their own.
constexpr NamedActivation kActivations[] = {{"gelu", Activation::kGelu},
                                            {"gelu_python", Activation::kGelu},
                                            {"gelu_new", Activation::kGeluTanh},
                                            {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                            {"gelu_fast", Activation::kGeluTanh},
                                            {"gelu_python_tanh", Activation::kGeluTanh},
                                            {"gelu_accurate", Activation::kGeluTanh},
                                            {"relu", Activation::kRelu},
                                            {"silu", Activation::kSilu},
                                            {"swish", Activation::kSilu},
                                            {"quick_gelu", Activation::kQuickGelu},
                                            {"swiglu", Activation::kSilu},
                                            {"geglu", Activation::kGelu},
                                            {"reglu", Activation::kRelu}};

Result<const Architecture*> FindArchitecture(JsonValue root) {
  AKIN_TRY_ASSIGN(const JsonValue type, root.Get("model_type"));
  AKIN_TRY_ASSIGN(const std::string_view model_type, type.AsString());
  const auto positions = Find(root, "position_embedding_type");
  const Architecture* found = nullptr;
  std::string known;
  for (const Architecture& row : Architectures()) {
    if (row.position_embedding_type.empty())
      known += StrCat(known.empty() ? "" : ", ", row.model_type);
    if (row.model_type != model_type) continue;
    const bool special = !row.position_embedding_type.empty();
    if (special && !(positions && positions->is_string() &&
                     positions->AsString().value() == row.position_embedding_type))
      continue;
    found = &row;
    if (special) break;
  }
  if (found != nullptr) return found;
  return UnsupportedModel(type.Where(), " is ", type.Found(), "; supported: ", known);
}

}  // namespace

Result<Activation> FindActivation(JsonValue value, std::string_view name) {
  std::string known;
  for (const NamedActivation& row : kActivations) {
    if (row.name == name) return row.activation;
    known += StrCat(known.empty() ? "" : ", ", row.name);
  }
  return UnsupportedModel(value.Where(), " is ", value.Found(), "; supported: ", known);
}

Result<ModelConfig> ConfigReader::Read() {
  config_.architecture = &row_;
  config_.model_type = std::string(row_.model_type);
  for (const Only& only : row_.only) AKIN_TRY(CheckOnly(only));
  AKIN_TRY(CheckNotQuantized());
  AKIN_TRY(ReadSizes());
  AKIN_TRY(ReadEmbeddings());
  AKIN_TRY(ReadNorms());
  AKIN_TRY(ReadAttention());
  AKIN_TRY(ReadPositions());
  AKIN_TRY(ReadFeedForward());
  AKIN_TRY(ReadSharing());
  return std::move(config_);
}

// GPTQ, AWQ, bitsandbytes, FP8: each packs its weights in a way of its own.
Status ConfigReader::CheckNotQuantized() const {
  const auto quantization = Find(root_, "quantization_config");
  if (!quantization) return {};
  const auto method = quantization->Find("quant_method");
  return UnsupportedModel(
      method ? method->Where() : quantization->Where(), " is ",
      method ? method->Found() : quantization->Found(),
      "; quantized weights are not read, take the model that they were made of");
}

Status ConfigReader::CheckOnly(const Only& only) {
  const auto value = Find(root_, only.key);
  if (!value) return {};
  if (only.value == "true" || only.value == "false") AKIN_TRY(value->AsBool());
  if (only.value.starts_with('"')) AKIN_TRY(value->AsString());
  if (value->Found() == only.value) return {};
  return UnsupportedModel(value->Where(), " is ", value->Found(), "; supported: ", only.value);
}

Status ConfigReader::ReadSizes() {
  AKIN_TRY_ASSIGN(config_.vocab_size, Size("vocab_size", 1, kMaxVocabulary));
  AKIN_TRY_ASSIGN(config_.hidden_size, SizeAt(&SizeKeys::hidden_size, kMaxSize));
  AKIN_TRY_ASSIGN(config_.num_hidden_layers, SizeAt(&SizeKeys::num_hidden_layers, kMaxLayers));
  AKIN_TRY_ASSIGN(config_.num_attention_heads, SizeAt(&SizeKeys::num_attention_heads, kMaxSize));
  AKIN_TRY_ASSIGN(config_.intermediate_size, SizeAt(&SizeKeys::intermediate_size, kMaxSize));
  return ReadHeads();
}

Status ConfigReader::ReadHeads() {
  const int heads = config_.num_attention_heads;
  AKIN_TRY_ASSIGN(config_.head_dim, SizeOr(row_.keys.head_dim, row_.head_dim, 1, kMaxSize));
  if (config_.head_dim == 0) {
    if (config_.hidden_size % heads != 0) {
      return InvalidModel(root_.Where(), ": ", KeyOf(&SizeKeys::hidden_size), " ",
                          config_.hidden_size, " is no multiple of ",
                          KeyOf(&SizeKeys::num_attention_heads), " ", heads);
    }
    config_.head_dim = config_.hidden_size / heads;
  }
  config_.num_key_value_heads = heads;
  if (row_.num_key_value_heads >= 0) {
    const int absent = row_.num_key_value_heads > 0 ? row_.num_key_value_heads : heads;
    AKIN_TRY_ASSIGN(config_.num_key_value_heads,
                    SizeOr("num_key_value_heads", absent, 1, kMaxSize));
  }
  if (heads % config_.num_key_value_heads != 0) {
    return InvalidModel(root_.Where(), ": num_attention_heads ", heads,
                        " is no multiple of num_key_value_heads ", config_.num_key_value_heads);
  }
  return {};
}

Status ConfigReader::ReadEmbeddings() {
  config_.embedding_norm = row_.embedding_norm;
  config_.embedding_size = config_.hidden_size;
  if (row_.factorized) {
    AKIN_TRY_ASSIGN(config_.embedding_size,
                    SizeOr("embedding_size", config_.hidden_size, 1, kMaxSize));
  }
  config_.embedding_projection =
      row_.always_projected || config_.embedding_size != config_.hidden_size;
  config_.projection_before_norm = row_.projection_before_norm;
  config_.projection_bias = !row_.projection_before_norm;
  if (row_.scaled_embeddings)
    config_.embedding_scale = std::sqrt(static_cast<float>(config_.hidden_size));
  if (row_.token_types) {
    AKIN_TRY_ASSIGN(config_.type_vocab_size,
                    row_.type_vocab_size < 0
                        ? Size("type_vocab_size", 1, kMaxSize)
                        : SizeOr("type_vocab_size", row_.type_vocab_size, 0, kMaxSize));
  }
  AKIN_TRY_ASSIGN(const bool use_task_id, Is({row_.task_types ? "use_task_id" : "", false}));
  if (use_task_id) {
    AKIN_TRY_ASSIGN(config_.task_type_vocab_size, SizeOr("task_type_vocab_size", 3, 1, kMaxSize));
  }
  return {};
}

Status ConfigReader::ReadNorms() {
  config_.norm = row_.norm;
  config_.norm_placement = row_.norm_placement;
  config_.norm_weight_offset = row_.norm_weight_offset;
  config_.first_attention_norm = row_.first_attention_norm;
  AKIN_TRY_ASSIGN(config_.norm_bias, Is(row_.norm_bias));
  AKIN_TRY_ASSIGN(const double eps, ReadEps());
  config_.layer_norm_eps = static_cast<float>(eps);
  if (row_.parallel_residual) {
    AKIN_TRY_ASSIGN(const bool parallel, Is({"use_parallel_residual", true}));
    if (parallel) config_.norm_placement = NormPlacement::kParallel;
  }
  return {};
}

Result<double> ConfigReader::ReadEps() {
  Number eps = row_.norm_eps;
  eps.key = Either(eps.key, row_.other_norm_eps_key);
  if (const auto value = root_.Find(eps.key); value && value->is_null())
    return value->AsDouble();  // An error: what it should be is not known.
  return Value(eps, 0.0, 1.0);
}

Status ConfigReader::ReadAttention() {
  AKIN_TRY_ASSIGN(config_.qkv_bias, Is(row_.qkv_bias));
  AKIN_TRY_ASSIGN(config_.attention_output_bias, Is(row_.attention_output_bias));
  config_.query_key_norm = row_.query_key_norm;
  AKIN_TRY_ASSIGN(const double softcap, Value(row_.softcap, 1e-3, 1e6));
  const auto no_softcap = root_.Find(row_.softcap.key);
  const bool null = !row_.softcap.key.empty() && no_softcap && no_softcap->is_null();
  config_.attn_logit_softcapping = null ? 0.0f : static_cast<float>(softcap);
  Number scalar = row_.attention_scalar;
  if (scalar.key.empty()) scalar.value = config_.head_dim;
  AKIN_TRY_ASSIGN(const double attention_scalar, Value(scalar, 1e-3, 1e9));
  config_.attention_scale =
      row_.unscaled_attention ? 1.0f : static_cast<float>(1.0 / std::sqrt(attention_scalar));
  return {};
}

Status ConfigReader::ReadFeedForward() {
  AKIN_TRY_ASSIGN(config_.gated, Is(row_.gated));
  AKIN_TRY_ASSIGN(config_.intermediate_bias, Is(row_.intermediate_bias));
  AKIN_TRY_ASSIGN(config_.output_bias, Is(row_.output_bias));
  return ReadActivation();
}

Status ConfigReader::ReadActivation() {
  const std::string_view key = Either(row_.activation_key, row_.other_activation_key);
  auto value = root_.Find(key);
  if (!value) {
    AKIN_TRY_ASSIGN(config_.hidden_act, FindActivation(root_, row_.activation));
    return {};
  }
  AKIN_TRY_ASSIGN(std::string_view name, value->AsString());
  // T5: "gated-gelu", whose GELU is the one by tanh.
  if (key == "feed_forward_proj" && name.starts_with("gated-")) {
    config_.gated = true;
    name.remove_prefix(6);
    if (name == "gelu") name = "gelu_new";
  }
  AKIN_TRY_ASSIGN(config_.hidden_act, FindActivation(*value, name));
  return {};
}

Status ConfigReader::ReadSharing() {
  if (!row_.shared_layers) return {};
  AKIN_TRY_ASSIGN(config_.num_hidden_groups, SizeOr("num_hidden_groups", 1, 1, kMaxLayers));
  AKIN_TRY_ASSIGN(config_.inner_group_num, SizeOr("inner_group_num", 1, 1, kMaxLayers));
  if (config_.num_hidden_groups > config_.num_hidden_layers) {
    return InvalidModel(root_.Where(), ": num_hidden_groups ", config_.num_hidden_groups,
                        " is more than num_hidden_layers ", config_.num_hidden_layers);
  }
  return {};
}

Result<ModelConfig> ParseModelConfig(const JsonValue& root) {
  AKIN_TRY(root.AsObject());
  AKIN_TRY_ASSIGN(const Architecture* const architecture, FindArchitecture(root));
  return ConfigReader(root, *architecture).Read();
}

Result<ModelConfig> LoadModelConfig(const ModelDirectory& directory) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document, directory.ReadJson("config.json"));
  return ParseModelConfig(document.root());
}

}  // namespace akin::model
