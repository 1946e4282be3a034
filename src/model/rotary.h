// Rotary positions (Su et al., 2021) and the ways in which models stretch them to longer texts, as
// transformers' modeling_rope_utils.py computes them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "formats/json.h"

namespace akin::model {

// The angle of element d of position p is p * inverse_frequencies[d].
struct Rotary {
  int rotary_dim = 0;                      // Of each head, from its first element on; even.
  bool interleaved = false;                // Pairs are neighbours, not halves apart.
  std::vector<float> inverse_frequencies;  // [rotary_dim / 2]
  // Of sequences longer than `short_positions` (longrope); empty: the same for all.
  std::vector<float> long_inverse_frequencies;
  int short_positions = 0;
  float attention_factor = 1.0f;  // Cosines and sines are multiplied by it.
};

// What config.json says of them beside the parameters themselves.
struct RotaryContext {
  double theta = 10000.0;
  double partial_rotary_factor = 1.0;
  bool reads_partial_rotary_factor = false;  // Also from the parameters.
  int head_dim = 0;
  int max_position_embeddings = 0;
};

// `parameters` is rope_parameters (transformers 5) or rope_scaling (before): {"rope_type": "yarn",
// "factor": 4.0, ...}; none or null: no scaling. Errors: InvalidModel, UnsupportedModel (another
// type), with the key.
Result<Rotary> ReadRotary(std::optional<formats::JsonValue> parameters, RotaryContext context);

}  // namespace akin::model
