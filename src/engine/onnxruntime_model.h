// What LoadModel does for the backend onnxruntime: it needs less of a folder than the native one.
#pragma once

#include <memory>
#include <string>

#include "akin/options.h"
#include "akin/result.h"

#include "backends/backend.h"
#include "model/model_config.h"
#include "model/model_directory.h"

namespace akin::engine {

// What runs the folder's model: as the options say; for kAuto the native encoder where it knows the
// architecture and finds its weights, in safetensors or in an ONNX graph, else ONNX Runtime where
// there is an ONNX file. An option that only ONNX Runtime has asks for it. `why` gets a note on
// what was not taken and why, or stays empty.
BackendKind ChooseBackend(const model::ModelDirectory& directory, const LoadOptions& options,
                          const Result<model::ModelConfig>& config, std::string& why);

struct OnnxRuntimeModel {
  std::unique_ptr<backends::Backend> backend;
  // config.json as far as it says something, without being held to it; sizes that the graph itself
  // states are the graph's.
  model::ModelConfig config;
};

// `config` is the folder's own where the encoder understands it. Errors: those of
// LoadOnnxRuntimeBackend.
Result<OnnxRuntimeModel> LoadOnnxRuntimeModel(const model::ModelDirectory& directory,
                                              const LoadOptions& options, int num_threads,
                                              const Result<model::ModelConfig>& config);

}  // namespace akin::engine
