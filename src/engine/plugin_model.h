// What MakeBackendLoader does for the backend plugin.
#pragma once

#include "akin/result.h"

#include "engine/backend_loader.h"

namespace akin::engine {

// config.json counts as far as it says something; what the plug-in says goes before. Errors: those
// of LoadPluginBackend; UnsupportedModel (rows that a model of this kind cannot use), InvalidModel
// (how many tokens there are is said nowhere).
Result<BackendLoader> MakePluginLoader(const LoaderInput& input);

}  // namespace akin::engine
