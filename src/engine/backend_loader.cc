#include "engine/backend_loader.h"

#include <utility>

#include "backends/mlx/mlx_backend.h"
#include "backends/native/native_backend.h"
#include "backends/native/static_backend.h"
#include "base/strings.h"
#include "engine/onnxruntime_model.h"
#include "engine/plugin_model.h"
#include "engine/python_model.h"
#include "engine/remote_model.h"
#include "kernels/kernels.h"
#include "model/onnx_file.h"
#include "model/onnx_weights.h"
#include "model/tensor_index.h"

namespace akin::engine {
namespace {

// For kAuto; `note` says what was not taken and why.
BackendKind ChooseBackend(const LoaderInput& input, const Result<model::ModelConfig>& config,
                          std::string& note) {
  if (AsksForOnnxRuntime(input.options.onnxruntime)) return BackendKind::kOnnxRuntime;
  if (config && model::HasSafetensors(input.directory)) return BackendKind::kNative;
  // Without any the native one says what lacks.
  if (model::ListOnnxFiles(input.directory).empty()) return BackendKind::kNative;
  const Status encoder =
      config ? model::CheckOnnxEncoder(input.directory, *config) : Status(config.error());
  if (encoder) return BackendKind::kNative;
  note = StrCat("backend native was not taken: ", encoder.error().message());
  return BackendKind::kOnnxRuntime;
}

Result<BackendLoader> MakeStaticLoader(const LoaderInput& input) {
  const bool weights = input.modules.input == model::InputKind::kTokenWeights;
  AKIN_TRY_ASSIGN(backends::StaticBackend table,
                  weights ? backends::LoadTokenWeights(input.directory)
                          : backends::LoadStaticBackend(input.directory));
  const backends::BackendInfo info = table.backend->Info();
  BackendLoader loader;
  loader.shape.architecture = "static";
  loader.shape.vocab_size = table.vocab_size;
  loader.shape.hidden_size = info.width;
  loader.max_positions = info.max_positions;
  loader.plan = [info](Precision, size_t) -> Result<backends::BackendMemory> {
    const size_t row_bytes = static_cast<size_t>(info.width) * sizeof(float);
    return backends::BackendMemory{.key = {},
                                   .table_bytes = info.weight_bytes,
                                   .rows = info.rows,
                                   .width = info.width,
                                   .workspace = [row_bytes](size_t, size_t reached_tokens, size_t) {
                                     const size_t bytes = (reached_tokens + 1) * row_bytes;
                                     return backends::BackendMemory::Workspace{
                                         .allocated = bytes, .resident = 2 * bytes};
                                   }};
  };
  loader.Keep(std::move(table.backend));
  const BackendKind asked = AsksForOnnxRuntime(input.options.onnxruntime)
                                ? BackendKind::kOnnxRuntime
                                : input.options.backend;
  if (asked != BackendKind::kAuto && asked != BackendKind::kNative) {
    loader.note = StrCat("not used: backend ", BackendKindName(asked),
                         ": a static model's vectors are looked up in its table of tokens, which "
                         "the native engine does; options of that backend change nothing");
  }
  return loader;
}

Result<BackendLoader> MakeNativeLoader(const LoaderInput& input,
                                       Result<model::ModelConfig> own_config) {
  AKIN_TRY_ASSIGN(model::ModelConfig config, std::move(own_config));
  BackendLoader loader;
  loader.shape = ShapeOf(config);
  loader.max_positions = config.max_positions;
  loader.plan = [&directory = input.directory, config, isa = input.isa](
                    Precision precision, size_t longest) -> Result<backends::BackendMemory> {
    AKIN_TRY_ASSIGN(const kernels::Kernels kernels, kernels::SelectKernels(isa, precision));
    return backends::PlanNativeBackend(directory, config, kernels, longest);
  };
  loader.load = [&directory = input.directory, config = std::move(config), isa = input.isa](
                    Precision precision) -> Result<std::unique_ptr<backends::Backend>> {
    AKIN_TRY_ASSIGN(const kernels::Kernels kernels, kernels::SelectKernels(isa, precision));
    return backends::LoadNativeBackend(directory, config, kernels);
  };
  return loader;
}

Result<BackendLoader> MakeMlxLoader(const LoaderInput& input,
                                    Result<model::ModelConfig> own_config) {
  AKIN_TRY_ASSIGN(const model::ModelConfig config, std::move(own_config));
  const Precision precision = input.options.precision;
  AKIN_TRY_ASSIGN(auto backend, backends::LoadMlxBackend(input.directory, config, precision));
  BackendLoader loader;
  loader.shape = ShapeOf(config);
  loader.max_positions = config.max_positions;
  loader.Keep(std::move(backend));
  loader.precision_reason = precision == Precision::kAuto ? "mlx's default" : "requested";
  return loader;
}

// Of a transformer: every kind but kAuto, kPlugin and kRemote.
Result<BackendLoader> MakeLoader(BackendKind kind, const LoaderInput& input,
                                 Result<model::ModelConfig> own_config) {
  if (kind == BackendKind::kOnnxRuntime) return MakeOnnxRuntimeLoader(input, own_config);
  if (kind == BackendKind::kMlx) return MakeMlxLoader(input, std::move(own_config));
  if (kind == BackendKind::kPython) return MakePythonLoader(input, own_config);
  return MakeNativeLoader(input, std::move(own_config));
}

}  // namespace

ModelShape ShapeOf(const model::ModelConfig& config) {
  return {.architecture = config.model_type,
          .vocab_size = config.vocab_size,
          .type_vocab_size = config.type_vocab_size,
          .num_layers = config.num_hidden_layers,
          .hidden_size = config.hidden_size,
          .num_heads = config.num_attention_heads};
}

void BackendLoader::Keep(std::unique_ptr<backends::Backend> backend) {
  one_precision = true;
  const auto kept = std::make_shared<std::unique_ptr<backends::Backend>>(std::move(backend));
  load = [kept](Precision) -> Result<std::unique_ptr<backends::Backend>> {
    return std::move(*kept);
  };
}

Result<BackendLoader> MakeBackendLoader(const LoaderInput& input) {
  BackendKind kind = input.options.backend;
  if (kind == BackendKind::kPlugin) return MakePluginLoader(input);
  if (kind == BackendKind::kRemote) return MakeRemoteLoader(input);
  if (input.modules.input != model::InputKind::kTransformer) return MakeStaticLoader(input);
  Result<model::ModelConfig> own_config = model::LoadModelConfig(input.directory);
  std::string note;
  if (kind == BackendKind::kAuto) kind = ChooseBackend(input, own_config, note);
  Result<BackendLoader> loader = MakeLoader(kind, input, std::move(own_config));
  if (!loader) {
    if (note.empty()) return loader;
    // Nobody asked for the one that fails.
    return MakeError(loader.error().code(), note, "; ", loader.error().message());
  }
  loader->note = std::move(note);
  return loader;
}

}  // namespace akin::engine
