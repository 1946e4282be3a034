#include "model/architecture.h"

namespace akin::model {
namespace {

// --- Keys ---

constexpr SizeKeys kDistilBertKeys = {.hidden_size = "dim",
                                      .num_hidden_layers = "n_layers",
                                      .num_attention_heads = "n_heads",
                                      .intermediate_size = "hidden_dim"};
constexpr SizeKeys kGpt2Keys = {.hidden_size = "n_embd",
                                .num_hidden_layers = "n_layer",
                                .num_attention_heads = "n_head",
                                .intermediate_size = "n_inner",
                                .max_position_embeddings = "n_positions"};
constexpr SizeKeys kT5Keys = {.hidden_size = "d_model",
                              .num_hidden_layers = "num_layers",
                              .num_attention_heads = "num_heads",
                              .intermediate_size = "d_ff",
                              .max_position_embeddings = "n_positions",
                              .head_dim = "d_kv"};

// --- What is not implemented ---

constexpr Only kBertOnly[] = {{"position_embedding_type", "\"absolute\""},
                              {"is_decoder", "false"},
                              {"add_cross_attention", "false"}};
constexpr Only kDebertaOnly[] = {{"conv_groups", "1"}};
constexpr Only kMpnetOnly[] = {{"relative_attention_num_buckets", "32"}};
constexpr Only kNomicOnly[] = {{"prenorm", "false"},
                               {"use_rms_norm", "false"},
                               {"causal", "false"},
                               {"parallel_block", "false"},
                               {"rotary_scaling_factor", "null"},
                               {"rotary_emb_scale_base", "null"}};
constexpr Only kGteOnly[] = {{"position_embedding_type", "\"rope\""},
                             {"layer_norm_type", "\"layer_norm\""},
                             {"logn_attention_scale", "false"},
                             {"pack_qkv", "true"}};
constexpr Only kJinaV2Only[] = {{"is_decoder", "false"}, {"add_cross_attention", "false"}};
constexpr Only kJinaV3HubOnly[] = {{"lora_adaptations", "null"}};
constexpr Only kGemmaOnly[] = {{"use_bidirectional_attention", "false"}};

// --- Rows ---

// Devlin et al., 2018, and what others changed of it.
constexpr Architecture Bert(std::string_view model_type) {
  return {.model_type = model_type, .only = kBertOnly};
}

// Liu et al., 2019.
constexpr Architecture Roberta(std::string_view model_type) {
  Architecture row = Bert(model_type);
  row.positions = Positions::kLearnedAfterPadding;
  row.pad_token_id = 1;
  return row;
}

constexpr Architecture Ernie() {
  Architecture row = Bert("ernie");
  row.task_types = true;
  return row;
}

constexpr Architecture Electra() {
  Architecture row = Bert("electra");
  row.factorized = true;
  return row;
}

constexpr Architecture Albert() {
  Architecture row = Bert("albert");
  row.activation = "gelu_new";
  row.factorized = true;
  row.always_projected = true;
  row.shared_layers = true;
  return row;
}

constexpr Architecture DistilBert() {
  Architecture row = Bert("distilbert");
  row.keys = kDistilBertKeys;
  row.activation_key = "activation";
  row.token_types = false;
  return row;
}

constexpr Architecture Mpnet() {
  Architecture row = Roberta("mpnet");
  row.positions = Positions::kLearnedAfterPaddingAndBias;
  row.only = kMpnetOnly;
  row.token_types = false;
  return row;
}

// He et al., 2021.
constexpr Architecture DebertaV2() {
  Architecture row = Bert("deberta-v2");
  row.norm_eps.value = 1e-7;
  row.type_vocab_size = 0;
  row.positions = Positions::kDisentangled;
  row.factorized = true;
  row.projection_before_norm = true;
  row.only = kDebertaOnly;
  return row;
}

// A post-norm encoder with rotary positions: Nomic Embed (Nussbaum et al., 2024).
constexpr Architecture NomicBert() {
  return {.model_type = "nomic_bert",
          .other_keys = kGpt2Keys,
          .other_activation_key = "activation_function",
          .activation = "silu",
          .other_norm_eps_key = "layer_norm_epsilon",
          .only = kNomicOnly,
          .type_vocab_size = 2,
          .positions = Positions::kRotary,
          .rope_theta = {"rope_theta", 1000.0},
          .partial_rotary_factor = {"rotary_emb_fraction", 1.0},
          .interleaved_rotary = {"rotary_emb_interleaved", false},
          .num_key_value_heads = -1,
          .qkv_bias = {"qkv_proj_bias", false},
          .attention_output_bias = {"qkv_proj_bias", false},
          .gated = {"", true},
          .intermediate_bias = {"mlp_fc1_bias", false},
          .output_bias = {"mlp_fc2_bias", false}};
}

// Zhang et al., 2024 ("mGTE"): as transformers has it, and as its first repositories ("new").
constexpr Architecture Gte(std::string_view model_type, double rope_theta) {
  return {.model_type = model_type,
          .only = kGteOnly,
          .type_vocab_size = 1,
          .positions = Positions::kRotary,
          .rope_theta = {"rope_theta", rope_theta},
          .num_key_value_heads = -1,
          .gated = {"", true},
          .intermediate_bias = {"", false}};
}

// Sturua et al., 2024.
constexpr Architecture JinaV3(std::string_view model_type) {
  return {.model_type = model_type,
          .norm_eps = {"layer_norm_eps", 1e-5},
          .type_vocab_size = 1,
          .positions = Positions::kRotary,
          .rope_theta = {"rope_theta", 20000.0},
          .num_key_value_heads = -1};
}

// As its own repository has it: the configuration of XLM-RoBERTa with other positions.
constexpr Architecture JinaV3Hub() {
  Architecture row = JinaV3("xlm-roberta");
  row.position_embedding_type = "rotary";
  row.rope_theta = {"rotary_emb_base", 10000.0};
  row.only = kJinaV3HubOnly;
  return row;
}

// Günther et al., 2023: the configuration of BERT with other positions.
constexpr Architecture JinaV2() {
  Architecture row = Bert("bert");
  row.position_embedding_type = "alibi";
  row.positions = Positions::kAlibi;
  row.only = kJinaV2Only;
  row.activation_key = "feed_forward_type";
  row.other_activation_key = "hidden_act";
  row.gated = {"", true};
  row.intermediate_bias = {"", false};
  return row;
}

// Warner et al., 2024.
constexpr Architecture ModernBert() {
  return {.model_type = "modernbert",
          .activation_key = "hidden_activation",
          .norm_eps = {"norm_eps", 1e-5},
          .norm_placement = NormPlacement::kPre,
          .norm_bias = {"norm_bias", false},
          .first_attention_norm = false,
          .token_types = false,
          .positions = Positions::kRotary,
          .rope_theta = {"global_rope_theta", 160000.0},
          .local_rope_theta = {"local_rope_theta", 10000.0},
          .windows = Windows::kAlternating,
          .window = {"local_attention", 128.0},
          .full_attention_every = {"global_attn_every_n_layers", 3.0},
          .full_attention_first = true,
          .num_key_value_heads = -1,
          .qkv_bias = {"attention_bias", false},
          .attention_output_bias = {"attention_bias", false},
          .gated = {"", true},
          .intermediate_bias = {"mlp_bias", false},
          .output_bias = {"mlp_bias", false}};
}

// Touvron et al., 2023, and its kin: pre-norm decoders with RMSNorm, a gate and grouped queries.
constexpr Architecture Llama(std::string_view model_type) {
  return {.model_type = model_type,
          .activation = "silu",
          .norm_eps = {"rms_norm_eps", 1e-6},
          .norm = NormKind::kRmsNorm,
          .norm_placement = NormPlacement::kPre,
          .norm_bias = {"", false},
          .token_types = false,
          .embedding_norm = false,
          .positions = Positions::kRotary,
          .causal = true,
          .qkv_bias = {"attention_bias", false},
          .attention_output_bias = {"attention_bias", false},
          .gated = {"", true},
          .intermediate_bias = {"mlp_bias", false},
          .output_bias = {"mlp_bias", false}};
}

constexpr Architecture EuroBert() {
  Architecture row = Llama("eurobert");
  row.norm_eps.value = 1e-5;
  row.causal = false;
  return row;
}

constexpr Architecture Mistral() {
  Architecture row = Llama("mistral");
  row.windows = Windows::kEveryLayer;
  row.window.value = 4096.0;
  row.num_key_value_heads = 8;
  row.qkv_bias = row.attention_output_bias = row.intermediate_bias = row.output_bias = {};
  return row;
}

constexpr Architecture Qwen2() {
  Architecture row = Llama("qwen2");
  row.windows = Windows::kUpperLayers;
  row.window.value = 4096.0;
  row.num_key_value_heads = 32;
  row.qkv_bias = {"", true};
  row.attention_output_bias = row.intermediate_bias = row.output_bias = {};
  return row;
}

constexpr Architecture Qwen3() {
  Architecture row = Llama("qwen3");
  row.windows = Windows::kUpperLayers;
  row.window.value = 4096.0;
  row.num_key_value_heads = 32;
  row.head_dim = 128;
  row.query_key_norm = QueryKeyNorm::kHeads;
  row.intermediate_bias = row.output_bias = {};
  return row;
}

constexpr Architecture Gemma2() {
  Architecture row = Llama("gemma2");
  row.activation_key = "hidden_activation";
  row.activation = "gelu_pytorch_tanh";
  row.only = kGemmaOnly;
  row.norm_placement = NormPlacement::kSandwich;
  row.norm_weight_offset = 1.0f;
  row.scaled_embeddings = true;
  row.windows = Windows::kAlternating;
  row.window.value = 4096.0;
  row.full_attention_every = {"", 2.0};
  row.num_key_value_heads = 4;
  row.head_dim = 256;
  row.attention_scalar = {"query_pre_attn_scalar", 256.0};
  row.softcap = {"attn_logit_softcapping", 50.0};
  row.intermediate_bias = row.output_bias = {};
  return row;
}

constexpr Architecture Gemma3() {
  Architecture row = Gemma2();
  row.model_type = "gemma3_text";
  row.only = {};
  row.rope_theta.value = 1e6;
  row.local_rope_theta = {"rope_local_base_freq", 10000.0};
  row.full_attention_every = {"sliding_window_pattern", 6.0};
  row.softcap = {};  // transformers reads the key and does not use it.
  row.query_key_norm = QueryKeyNorm::kHeads;
  return row;
}

// Black et al., 2022.
constexpr Architecture GptNeoX() {
  return {.model_type = "gpt_neox",
          .norm_eps = {"layer_norm_eps", 1e-5},
          .norm_placement = NormPlacement::kPre,
          .token_types = false,
          .embedding_norm = false,
          .positions = Positions::kRotary,
          .rope_theta = {"rotary_emb_base", 10000.0},
          .partial_rotary_factor = {"rotary_pct", 0.25},
          .causal = true,
          .num_key_value_heads = -1,
          .qkv_bias = {"attention_bias", true},
          .attention_output_bias = {"attention_bias", true},
          .parallel_residual = true};
}

// Raffel et al., 2020: the encoder alone.
constexpr Architecture T5(std::string_view model_type) {
  return {.model_type = model_type,
          .keys = kT5Keys,
          .activation_key = "feed_forward_proj",
          .activation = "relu",
          .norm_eps = {"layer_norm_epsilon", 1e-6},
          .norm = NormKind::kRmsNorm,
          .norm_placement = NormPlacement::kPre,
          .norm_bias = {"", false},
          .token_types = false,
          .embedding_norm = false,
          .positions = Positions::kRelativeBias,
          .num_key_value_heads = -1,
          .head_dim = 64,
          .unscaled_attention = true,
          .qkv_bias = {"", false},
          .attention_output_bias = {"", false},
          .intermediate_bias = {"", false},
          .output_bias = {"", false}};
}

Architecture With(Architecture row, std::span<const WeightNames> layouts) {
  row.layouts = layouts;
  return row;
}

}  // namespace

std::span<const Architecture> Architectures() {
  static const Architecture kArchitectures[] = {
      With(Bert("bert"), layouts::kBert),
      With(JinaV2(), layouts::kJinaV2),
      With(Roberta("roberta"), layouts::kBert),
      With(Roberta("xlm-roberta"), layouts::kBert),
      With(JinaV3Hub(), layouts::kJinaV3),
      With(Roberta("camembert"), layouts::kBert),
      With(Ernie(), layouts::kBert),
      With(DistilBert(), layouts::kDistilBert),
      With(Mpnet(), layouts::kMpnet),
      With(Albert(), layouts::kAlbert),
      With(Electra(), layouts::kElectra),
      With(DebertaV2(), layouts::kDeberta),
      With(NomicBert(), layouts::kNomic),
      With(Gte("gte", 160000.0), layouts::kGte),
      With(Gte("new", 10000.0), layouts::kGte),
      With(JinaV3("jina_embeddings_v3"), layouts::kJinaV3),
      With(ModernBert(), layouts::kModernBert),
      With(EuroBert(), layouts::kLlama),
      With(Llama("llama"), layouts::kLlama),
      With(Mistral(), layouts::kLlama),
      With(Qwen2(), layouts::kLlama),
      With(Qwen3(), layouts::kLlama),
      With(Gemma2(), layouts::kGemma),
      With(Gemma3(), layouts::kGemma),
      With(GptNeoX(), layouts::kNeoX),
      With(T5("t5"), layouts::kT5),
      With(T5("mt5"), layouts::kT5),
  };
  return kArchitectures;
}

}  // namespace akin::model
