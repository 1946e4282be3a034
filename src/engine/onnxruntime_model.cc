#include "engine/onnxruntime_model.h"

#include <utility>

#include "backends/onnxruntime/onnxruntime_backend.h"
#include "base/strings.h"
#include "model/loose_config.h"
#include "model/onnx_file.h"
#include "model/onnx_weights.h"
#include "model/tensor_index.h"

namespace akin::engine {
namespace {

bool AsksForOnnxRuntime(const OnnxRuntimeOptions& options) {
  return !options.onnx_file.empty() || !options.output.empty() || !options.providers.empty() ||
         !options.provider_libraries.empty() || !options.library.empty();
}

}  // namespace

BackendKind ChooseBackend(const model::ModelDirectory& directory, const LoadOptions& options,
                          const Result<model::ModelConfig>& config, std::string& why) {
  if (options.backend != BackendKind::kAuto) return options.backend;
  if (AsksForOnnxRuntime(options.onnxruntime)) return BackendKind::kOnnxRuntime;
  if (config && model::HasSafetensors(directory)) return BackendKind::kNative;
  if (model::ListOnnxFiles(directory).empty()) return BackendKind::kNative;  // It says what lacks.
  const Status encoder =
      config ? model::CheckOnnxEncoder(directory, *config) : Status(config.error());
  if (encoder) return BackendKind::kNative;
  why = StrCat("backend native was not taken: ", encoder.error().message());
  return BackendKind::kOnnxRuntime;
}

Result<OnnxRuntimeModel> LoadOnnxRuntimeModel(const model::ModelDirectory& directory,
                                              const LoadOptions& options, int num_threads,
                                              const Result<model::ModelConfig>& config) {
  OnnxRuntimeModel model;
  backends::OnnxRuntimeParams params{
      .options = options.onnxruntime, .precision = options.precision, .num_threads = num_threads};
  if (options.batch_tokens > 0) params.batch_tokens = options.batch_tokens;
  AKIN_TRY_ASSIGN(model.config, model::LoadLooseConfig(directory));
  params.pad_token_id = model.config.pad_token_id;
  if (config) model.config = *config;
  params.max_positions = model.config.max_positions;
  AKIN_TRY_ASSIGN(model.backend, backends::LoadOnnxRuntimeBackend(directory, params));
  const backends::BackendInfo info = model.backend->Info();
  model.config.max_positions = info.max_positions;
  if (info.vocab_size > 0) model.config.vocab_size = info.vocab_size;
  if (info.rows == backends::RowKind::kTokenStates) model.config.hidden_size = info.width;
  return model;
}

}  // namespace akin::engine
