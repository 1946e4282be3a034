// Which backend runs a model, and how it is loaded: the one place where backends are told apart.
//
// A backend is one case in MakeBackendLoader, a kind in akin/options.h and a loader in a file of
// its own (onnxruntime_model.h, python_model.h).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "akin/options.h"
#include "akin/result.h"

#include "backends/backend.h"
#include "model/model_config.h"
#include "model/model_directory.h"
#include "model/sentence_modules.h"

namespace akin::engine {

// What is known of the model before its backend is loaded.
struct ModelShape {
  std::string architecture;
  bool reads_ids = true;  // Else texts.
  int vocab_size = 0;
  int type_vocab_size = 0;  // 0: types are not read.
  int num_layers = 0, hidden_size = 0, num_heads = 0;
};
ModelShape ShapeOf(const model::ModelConfig& config);

struct LoaderInput {
  const model::ModelDirectory& model_folder;  // All of it,
  const model::ModelDirectory& directory;     // and the encoder's part, which outlives the loader.
  const model::SentenceModules& modules;      // Outlives it, too.
  const LoadOptions& options;
  int num_threads = 1;
  int batch_tokens = 0;
  Isa isa = Isa::kScalar;
};

// How the backend is loaded in a precision, and what is known beforehand.
struct BackendLoader {
  ModelShape shape;
  int max_positions = 0;
  bool one_precision = false;  // The backend's own; the gate has nothing to choose.
  bool runs_graph = false;  // Of an ONNX file, its head included: no weights are taken out of one.
  std::string precision_reason = "as the model's file is";  // Why that one.
  std::string note;                                         // What was not taken and why, or empty.
  std::function<Result<std::unique_ptr<backends::Backend>>(Precision precision)> load;

  // What it would hold in a precision; `longest`: tokens of the longest text. Unset: not known.
  std::function<Result<backends::BackendMemory>(Precision precision, size_t longest)> plan;

  // A backend that is there already.
  void Keep(std::unique_ptr<backends::Backend> backend);
};

// As the options say; for BackendKind::kAuto the native encoder where it knows the architecture and
// finds its weights, in safetensors or in an ONNX graph, else ONNX Runtime where there is an ONNX
// file. An option that only ONNX Runtime has asks for it. Errors: those of Embedder::Load.
Result<BackendLoader> MakeBackendLoader(const LoaderInput& input);

}  // namespace akin::engine
