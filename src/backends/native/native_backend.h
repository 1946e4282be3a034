#pragma once

#include <memory>

#include "backends/backend.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/model_directory.h"
#include "model/tensor_index.h"

namespace akin::backends {

// Akin's own encoder on the kernels of one tier and precision. `onnx_head`: as LoadWeights'.
Result<std::unique_ptr<Backend>> LoadNativeBackend(const model::ModelDirectory& directory,
                                                   const model::ModelConfig& config,
                                                   const kernels::Kernels& kernels,
                                                   const model::TensorIndex* onnx_head = nullptr);

}  // namespace akin::backends
