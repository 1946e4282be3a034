// What Precision::kAuto takes: the fastest precision of the tier whose vectors stay within a stated
// cosine of f32's.
//
// The gate embeds some texts in f32 and in each candidate, fastest first, and takes the first one
// whose worst cosine is at least kLeastCosine: of texts, or of tokens where a model gives vectors
// of these. That costs a second or less, once: the cosines are
// kept in the cache folder, under the model's files and the tier that they were measured with.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "akin/options.h"
#include "akin/result.h"

#include "engine/network.h"
#include "model/model_directory.h"
#include "tokenizer/pipeline.h"

namespace akin::engine {

// The loss that kAuto may bring on any of the gate's texts.
inline constexpr double kLeastCosine = 0.9995;

struct GateInput {
  const model::ModelDirectory& directory;  // Of the encoder.
  std::string route;                       // Of a model with a Router.
  std::optional<PoolingMode> pooling;      // In place of the model's own.
  Output output = Output::kDense;          // Whose vectors are compared; not scores.
  const tokenizer::Pipeline& tokenizer;
  int max_tokens = 0;
  Isa isa = Isa::kScalar;  // Chosen already, not kAuto.
  // Loads the model in a precision.
  std::function<Result<Network>(Precision precision)> load;
};

struct GateResult {
  Network network;
  std::string reason;  // "int8 0.99891 is below 0.9995, bf16 0.99996 is not"
};

// Errors: those of input.load.
Result<GateResult> LoadWithinGate(const GateInput& input);

// What is known of that choice before anything is loaded.
struct GateOutlook {
  std::vector<Precision> candidates;  // Of the tier, as they are tried.
  // What an earlier load has left written down, or f32 where there are no candidates.
  std::optional<Precision> known;
};
GateOutlook LookAtGate(const model::ModelDirectory& directory, std::string_view route,
                       std::optional<PoolingMode> pooling, Isa isa);

}  // namespace akin::engine
