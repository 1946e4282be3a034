// What MakeBackendLoader does for the backend remote.
#pragma once

#include "akin/result.h"

#include "engine/backend_loader.h"

namespace akin::engine {

// Errors: those of LoadRemoteBackend; UnsupportedModel for a model that does not give dense
// vectors.
Result<BackendLoader> MakeRemoteLoader(const LoaderInput& input);

}  // namespace akin::engine
