#pragma once

#include <memory>

#include "backends/backend.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/model_directory.h"
#include "model/tensor_index.h"

namespace akin::backends {

// Akin's own encoder on the kernels of one tier and precision.
Result<std::unique_ptr<Backend>> LoadNativeBackend(const model::ModelDirectory& directory,
                                                   const model::ModelConfig& config,
                                                   const kernels::Kernels& kernels);

// What it would hold, by the headers of the weights' files. `longest`: tokens of the longest text.
// Errors: those of model::LoadWeights.
Result<BackendMemory> PlanNativeBackend(const model::ModelDirectory& directory,
                                        const model::ModelConfig& config,
                                        const kernels::Kernels& kernels, size_t longest);

}  // namespace akin::backends
