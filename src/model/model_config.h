// config.json -> the shape of the transformer, as data: what the encoder chooses its phases by.
// Fields are spelled as config.json spells them where it has a word for them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"

#include "formats/json.h"
#include "model/rotary.h"

namespace akin::model {

struct Architecture;
class ModelDirectory;

enum class Activation { kGelu, kGeluTanh, kRelu, kSilu, kQuickGelu };

enum class NormKind { kLayerNorm, kRmsNorm };

// Where the norms of a sublayer f stand. All but kPost have one more norm after the last layer.
enum class NormPlacement {
  kPost,      // x = norm(x + f(x))
  kPre,       // x = x + f(norm(x))
  kSandwich,  // x = x + norm'(f(norm(x)))
  kParallel,  // x = x + attention(norm(x)) + feed_forward(norm'(x))
};

// Norms over the queries and the keys of a head (Qwen3, Gemma 3), all heads with one weight.
enum class QueryKeyNorm { kNone, kHeads };

// Distances in buckets, each with a bias for every head (Raffel et al., 2020, "T5").
struct RelativeBias {
  int num_buckets = 32;
  int max_distance = 128;
};

// DeBERTa's attention between contents and relative positions (He et al., 2021).
struct Disentangled {
  int position_buckets = -1;  // At most 0: distances themselves.
  int max_relative_positions = 0;
  bool content_to_position = false;
  bool position_to_content = false;
  bool share_att_key = false;  // Positions go through the layer's own query and key.
  bool norm_rel_ebd = false;   // A norm over the relative embeddings.

  // Rows of the relative embeddings on one side of zero.
  int span() const { return position_buckets > 0 ? position_buckets : max_relative_positions; }
};

// DeBERTa-v2's convolution along a sequence, of what the first layer reads; the sum of its
// activation and what that layer gives goes through a norm of its own.
struct Convolution {
  int kernel_size = 0;            // Odd: as many tokens on either side, zeros past the ends.
  std::optional<Activation> act;  // None: tanh.
};

// What one layer's queries see and how it turns its positions.
struct LayerAttention {
  static constexpr int64_t kAll = int64_t{1} << 40;
  int64_t left = kAll;  // Query i sees keys i - left to i + right.
  int64_t right = kAll;
  int rotary = -1;  // Index into ModelConfig::rotary; -1: none.
};

struct ModelConfig {
  std::string model_type;
  const Architecture* architecture = nullptr;  // Of the table: names of weights.

  int vocab_size = 0;
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;
  int head_dim = 0;
  int intermediate_size = 0;
  int max_position_embeddings = 0;  // Rows of the table of positions, where there is one.
  int max_positions = 0;            // The longest sequence in tokens.

  // Embeddings.
  int embedding_size = 0;
  int type_vocab_size = 0;       // 0: none.
  int task_type_vocab_size = 0;  // 0: none; every token has task type 0.
  bool position_embeddings = false;
  // Positions count from pad_token_id + 1, padding tokens in the text left out (RoBERTa).
  bool positions_after_padding = false;
  int pad_token_id = 0;
  bool embedding_norm = true;
  bool embedding_projection = false;    // From embedding_size to hidden_size,
  bool projection_before_norm = false;  // before the norm or after it,
  bool projection_bias = true;          // with a bias or without.
  float embedding_scale = 1.0f;

  // Norms.
  NormKind norm = NormKind::kLayerNorm;
  NormPlacement norm_placement = NormPlacement::kPost;
  bool norm_bias = true;
  float norm_weight_offset = 0.0f;  // Added to every weight of a norm (Gemma).
  float layer_norm_eps = 1e-12f;
  bool first_attention_norm = true;  // ModernBERT's first layer reads the embeddings' own.

  // Attention.
  float attention_scale = 1.0f;
  float attn_logit_softcapping = 0.0f;  // 0: none.
  bool qkv_bias = true;
  bool attention_output_bias = true;
  QueryKeyNorm query_key_norm = QueryKeyNorm::kNone;
  std::vector<Rotary> rotary;          // One for each kind of layer.
  std::vector<LayerAttention> layers;  // [num_hidden_layers]
  bool alibi = false;                  // Press et al., 2022; by |i - j|.
  std::optional<RelativeBias> relative_bias;
  std::optional<Disentangled> disentangled;
  std::optional<Convolution> convolution;

  // Feed-forward.
  Activation hidden_act = Activation::kGelu;
  bool gated = false;  // act(gate(x)) * up(x)
  bool intermediate_bias = true;
  bool output_bias = true;

  // Layers that share their weights (ALBERT): `num_hidden_groups` groups of `inner_group_num`
  // layers; 0: every layer has its own.
  int num_hidden_groups = 0;
  int inner_group_num = 1;

  // Whether queries and keys are changed between their product and attention.
  bool turns_positions() const { return !rotary.empty() || query_key_norm != QueryKeyNorm::kNone; }
};

// Errors: InvalidModel (a value missing, of the wrong type, out of range or contradicting another),
// UnsupportedModel (an architecture or a variant that is not implemented); both name the key.
Result<ModelConfig> ParseModelConfig(const formats::JsonValue& root);

// The folder's config.json. Errors: also ModelNotFound.
Result<ModelConfig> LoadModelConfig(const ModelDirectory& directory);

}  // namespace akin::model
