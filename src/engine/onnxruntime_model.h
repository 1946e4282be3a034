// What MakeBackendLoader does for the backend onnxruntime: it needs less of a folder than the
// native one.
#pragma once

#include "akin/onnxruntime.h"
#include "akin/result.h"

#include "engine/backend_loader.h"
#include "model/model_config.h"

namespace akin::engine {

// Whether there is an option that only ONNX Runtime has, and that was given to have it.
bool AsksForOnnxRuntime(const OnnxRuntimeOptions& options);

// `config` is the folder's own where the encoder understands it; else config.json counts as far as
// it says something. Sizes that the graph itself states are the graph's. Errors: those of
// LoadOnnxRuntimeBackend.
Result<BackendLoader> MakeOnnxRuntimeLoader(const LoaderInput& input,
                                            const Result<model::ModelConfig>& config);

}  // namespace akin::engine
