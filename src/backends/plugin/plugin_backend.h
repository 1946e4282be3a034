#pragma once

#include <memory>
#include <string>

#include "akin/options.h"
#include "akin/result.h"

#include "backends/backend.h"

namespace akin::backends {

struct PluginParams {
  PluginOptions plugin;
  std::string model_path;
  Precision precision = Precision::kAuto;
  int num_threads = 1;
  int max_batch_tokens = 1;
};

// A plug-in's model behind the interface of a backend. What the plug-in gives is checked: the
// number of rows, their width, each value. Errors: InvalidInput (the library, an option),
// UnsupportedModel (another version of the interface), Internal (a description out of range), and
// those of the plug-in.
Result<std::unique_ptr<Backend>> LoadPluginBackend(const PluginParams& params);

}  // namespace akin::backends
