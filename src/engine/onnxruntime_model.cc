#include "engine/onnxruntime_model.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "backends/onnxruntime/onnxruntime_backend.h"
#include "base/strings.h"
#include "formats/json.h"
#include "model/onnx_file.h"
#include "model/onnx_weights.h"
#include "model/tensor_index.h"

namespace akin::engine {
namespace {

bool AsksForOnnxRuntime(const OnnxRuntimeOptions& options) {
  return !options.onnx_file.empty() || !options.output.empty() || !options.providers.empty() ||
         !options.provider_libraries.empty() || !options.library.empty();
}

// A whole number of config.json under one of its names; 0: it says none.
int SizeIn(const formats::JsonValue& root, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const std::optional<formats::JsonValue> value = root.Find(name);
    if (!value) continue;
    if (const Result<int64_t> size = value->AsIntIn(1, INT32_MAX)) return static_cast<int>(*size);
  }
  return 0;
}

// What config.json says of an architecture that the encoder may not know: the graph has its own
// sizes, so nothing must be there.
model::ModelConfig LooseConfig(const formats::JsonValue& root) {
  model::ModelConfig config;
  if (const auto type = root.Find("model_type"); type && type->is_string())
    config.model_type = std::string(*type->AsString());
  config.vocab_size = SizeIn(root, {"vocab_size"});
  config.hidden_size = SizeIn(root, {"hidden_size", "d_model", "dim", "n_embd"});
  config.num_hidden_layers = SizeIn(root, {"num_hidden_layers", "num_layers", "n_layers", "n_layer"});
  config.num_attention_heads = SizeIn(root, {"num_attention_heads", "num_heads", "n_heads", "n_head"});
  config.max_positions =
      SizeIn(root, {"max_position_embeddings", "n_positions", "max_trained_positions"});
  return config;
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
  backends::OnnxRuntimeParams params{.options = options.onnxruntime,
                                     .precision = options.precision,
                                     .num_threads = num_threads};
  AKIN_TRY_ASSIGN(const auto document, directory.ReadJsonIfExists("config.json"));
  if (document) {
    model.config = config ? *config : LooseConfig(document->root());
    params.pad_token_id = SizeIn(document->root(), {"pad_token_id"});
    params.max_positions = model.config.max_positions;
  }
  AKIN_TRY_ASSIGN(model.backend, backends::LoadOnnxRuntimeBackend(directory, params));
  const backends::BackendInfo info = model.backend->Info();
  model.config.max_positions = info.max_positions;
  if (info.vocab_size > 0) model.config.vocab_size = info.vocab_size;
  if (info.rows == backends::RowKind::kTokenStates) model.config.hidden_size = info.width;
  return model;
}

}  // namespace akin::engine
