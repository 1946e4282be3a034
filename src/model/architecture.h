// What makes an architecture: the keys of its config.json, what is fixed about it, and the names of
// its weights. A new one is a row of the table in architecture.cc.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "model/model_config.h"
#include "model/weight_names.h"

namespace akin::model {

// How config.json spells the sizes.
struct SizeKeys {
  std::string_view hidden_size = "hidden_size";
  std::string_view num_hidden_layers = "num_hidden_layers";
  std::string_view num_attention_heads = "num_attention_heads";
  std::string_view intermediate_size = "intermediate_size";
  std::string_view max_position_embeddings = "max_position_embeddings";
  std::string_view head_dim = "head_dim";
};

// A boolean of config.json; without a key it is fixed.
struct Flag {
  std::string_view key;
  bool value = false;  // Where the key is absent.
};

// A number of config.json.
struct Number {
  std::string_view key;
  double value = 0.0;  // Where the key is absent.
};

enum class Positions {
  kNone,
  kLearned,              // A table, from row 0 on,
  kLearnedAfterPadding,  // or from row pad_token_id + 1 on.
  kRotary,
  kAlibi,
  kRelativeBias,                // T5: no limit of length.
  kLearnedAfterPaddingAndBias,  // MPNet: both.
  kDisentangled,                // DeBERTa: by its own keys.
};

// Which layers have a window of attention.
enum class Windows {
  kNone,
  kEveryLayer,   // `sliding_window`, if there is one (Mistral)
  kUpperLayers,  // `use_sliding_window`, from layer `max_window_layers` on, or `layer_types` (Qwen)
  kAlternating,  // `layer_types`, or one full layer in so many (Gemma, ModernBERT)
};

// A key that may only have one value, because others are not implemented.
struct Only {
  std::string_view key;
  std::string_view value;  // As JSON; null and absent are accepted too.
};

struct Architecture {
  std::string_view model_type;
  // Of several rows with one model_type, that of this position_embedding_type.
  std::string_view position_embedding_type = {};

  SizeKeys keys = {};
  SizeKeys other_keys = {};  // Accepted where the first are absent.
  std::string_view activation_key = "hidden_act";
  std::string_view other_activation_key = {};
  std::string_view activation = "gelu";  // Where the key is absent.
  Number norm_eps = {"layer_norm_eps", 1e-12};
  std::string_view other_norm_eps_key = {};
  std::span<const Only> only = {};

  NormKind norm = NormKind::kLayerNorm;
  NormPlacement norm_placement = NormPlacement::kPost;
  Flag norm_bias = {"", true};
  float norm_weight_offset = 0.0f;
  bool first_attention_norm = true;

  bool token_types = true;
  int type_vocab_size = -1;  // Where the key is absent; -1: it must be there, and not 0.
  bool task_types = false;
  bool embedding_norm = true;
  bool factorized = false;  // `embedding_size` may be apart from hidden_size, with a projection;
  bool always_projected = false;        // also where both are the same.
  bool projection_before_norm = false;  // DeBERTa's, which has no bias.
  bool scaled_embeddings = false;       // By sqrt(hidden_size).

  Positions positions = Positions::kLearned;
  int pad_token_id = 0;  // Where the key is absent.
  Number rope_theta = {"rope_theta", 10000.0};
  Number local_rope_theta = {};              // Of layers with a window, where that is another one.
  Number partial_rotary_factor = {"", 1.0};  // No key: whole heads turn, whatever the file says.
  Flag interleaved_rotary = {};

  bool causal = false;  // Unless is_causal or use_bidirectional_attention says otherwise.
  Windows windows = Windows::kNone;
  Number window = {"sliding_window", 0.0};
  // Where layer_types is absent, every n-th layer sees all keys: the last of n, or the first.
  Number full_attention_every = {};
  bool full_attention_first = false;

  int num_key_value_heads = 0;   // Where the key is absent; 0: as many as heads. -1: always.
  int head_dim = 0;              // Where the key is absent; 0: hidden_size / num_attention_heads.
  Number attention_scalar = {};  // Scores are divided by its root; no key: by that of head_dim.
  bool unscaled_attention = false;
  Number softcap = {};
  Flag qkv_bias = {"", true};
  Flag attention_output_bias = {"", true};
  QueryKeyNorm query_key_norm = QueryKeyNorm::kNone;

  Flag gated = {};
  Flag intermediate_bias = {"", true};
  Flag output_bias = {"", true};
  bool parallel_residual = false;  // Unless use_parallel_residual is false.
  bool shared_layers = false;

  // Names of tensors, by layout; the first that fits a file is taken.
  std::span<const WeightNames> layouts = {};
};

std::span<const Architecture> Architectures();

}  // namespace akin::model
