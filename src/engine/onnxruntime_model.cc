#include "engine/onnxruntime_model.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "backends/onnxruntime/onnxruntime_backend.h"
#include "model/loose_config.h"

namespace akin::engine {

bool AsksForOnnxRuntime(const OnnxRuntimeOptions& options) {
  return !options.onnx_file.empty() || !options.output.empty() || !options.providers.empty() ||
         !options.provider_libraries.empty() || !options.library.empty();
}

Result<BackendLoader> MakeOnnxRuntimeLoader(const LoaderInput& input,
                                            const Result<model::ModelConfig>& own_config) {
  AKIN_TRY_ASSIGN(model::ModelConfig config, model::LoadLooseConfig(input.directory));
  backends::OnnxRuntimeParams params{.options = input.options.onnxruntime,
                                     .precision = input.options.precision,
                                     .num_threads = input.num_threads,
                                     .pad_token_id = config.pad_token_id};
  params.wants_only_first_rows = std::ranges::any_of(
      input.modules.heads, [](const auto& head) { return model::ReadOnlyFirstRows(head.modules); });
  if (input.options.batch_tokens > 0) params.batch_tokens = input.options.batch_tokens;
  if (own_config) config = *own_config;
  params.max_positions = config.max_positions;
  AKIN_TRY_ASSIGN(auto backend, backends::LoadOnnxRuntimeBackend(input.directory, params));
  const backends::BackendInfo info = backend->Info();
  BackendLoader loader;
  loader.shape = ShapeOf(config);
  loader.max_positions = info.max_positions;
  if (info.vocab_size > 0) loader.shape.vocab_size = info.vocab_size;
  if (info.rows == backends::RowKind::kTokenStates) loader.shape.hidden_size = info.width;
  loader.Keep(std::move(backend));
  return loader;
}

}  // namespace akin::engine
