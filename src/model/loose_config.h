#pragma once

#include "akin/result.h"

#include "model/model_config.h"

namespace akin::model {

class ModelDirectory;

// config.json as far as it says something, of an architecture that the encoder need not know: sizes
// that are not there are 0, since a graph has its own. A folder without the file says nothing.
// Error: InvalidModel (no JSON object).
Result<ModelConfig> LoadLooseConfig(const ModelDirectory& directory);

}  // namespace akin::model
