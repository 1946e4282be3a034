// What MakeBackendLoader does for the backend python.
#pragma once

#include "akin/result.h"

#include "engine/backend_loader.h"
#include "model/model_config.h"

namespace akin::engine {

// `config` is the folder's own where the encoder understands it; else config.json counts as far as
// it says something, and what the child says counts more. Errors: those of LoadPythonBackend.
Result<BackendLoader> MakePythonLoader(const LoaderInput& input,
                                       const Result<model::ModelConfig>& config);

}  // namespace akin::engine
