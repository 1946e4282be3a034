#include "engine/remote_model.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "backends/remote/remote_backend.h"
#include "base/strings.h"
#include "model/loose_config.h"

namespace akin::engine {

Result<BackendLoader> MakeRemoteLoader(const LoaderInput& input) {
  const ModelKind kind = input.modules.kind;
  if (kind != ModelKind::kDense && kind != ModelKind::kStatic) {
    return UnsupportedModel("backend remote gives dense vectors; model '",
                            input.model_folder.name(), "' is a ", ModelKindName(kind), " model");
  }
  AKIN_TRY_ASSIGN(const model::ModelConfig config, model::LoadLooseConfig(input.directory));
  const auto& modules = input.modules.heads.front().modules;
  const bool normalizes = std::ranges::any_of(
      modules, [](const auto& m) { return std::holds_alternative<model::Normalize>(m); });
  AKIN_TRY_ASSIGN(auto backend,
                  backends::LoadRemoteBackend({.options = input.options.remote,
                                               .model_name = input.model_folder.name(),
                                               .max_positions = config.max_positions,
                                               .normalize = normalizes}));
  const backends::BackendInfo info = backend->Info();
  BackendLoader loader;
  loader.shape = ShapeOf(config);
  loader.shape.reads_ids = false;
  loader.max_positions = info.max_positions;
  loader.Keep(std::move(backend));
  return loader;
}

}  // namespace akin::engine
