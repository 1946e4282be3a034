#pragma once

#include <memory>

#include "akin/python.h"

#include "backends/backend.h"
#include "model/model_directory.h"

namespace akin::backends {

struct PythonParams {
  PythonOptions options;
  int num_threads = 1;
  // Longest sequence, from the model's other files; 0: they do not say.
  int max_positions = 0;
};

// A child process that runs the folder's model; as many requests are in flight as threads compute.
// On return it has loaded the model. Errors: InvalidInput (no such interpreter, an option),
// ServiceUnavailable (the child ends or says nothing), Internal (it does not speak the protocol),
// and those that it gives itself.
Result<std::unique_ptr<Backend>> LoadPythonBackend(const model::ModelDirectory& directory,
                                                   const PythonParams& params);

}  // namespace akin::backends
