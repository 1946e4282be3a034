// Apple's MLX as a backend: the encoder as an MLX graph, on the GPU of Apple silicon or on a CPU.
// See docs/apple-silicon.md.
#pragma once

#include <memory>

#include "akin/options.h"
#include "akin/result.h"

#include "backends/backend.h"
#include "model/model_config.h"
#include "model/model_directory.h"

namespace akin::backends {

// The BERT family: absolute positions, LayerNorm after each sublayer, a plain feed-forward.
// `precision` is that of the products: f32, f16 or bf16; auto is f32. Errors: UnsupportedModel
// (another family, with the key of config.json that says so; a build without MLX), InvalidInput
// (another precision), those of model::LoadWeights, Internal (MLX failed).
Result<std::unique_ptr<Backend>> LoadMlxBackend(const model::ModelDirectory& directory,
                                                const model::ModelConfig& config,
                                                Precision precision);

}  // namespace akin::backends
