#include "engine/python_model.h"

#include <memory>
#include <utility>

#include "backends/python/python_backend.h"
#include "model/loose_config.h"

namespace akin::engine {

Result<BackendLoader> MakePythonLoader(const LoaderInput& input,
                                       const Result<model::ModelConfig>& own_config) {
  AKIN_TRY_ASSIGN(model::ModelConfig config, model::LoadLooseConfig(input.directory));
  if (own_config) config = *own_config;
  AKIN_TRY_ASSIGN(auto backend, backends::LoadPythonBackend(
                                    input.model_folder, {.options = input.options.python,
                                                         .num_threads = input.num_threads,
                                                         .max_positions = config.max_positions}));
  const backends::BackendInfo info = backend->Info();
  BackendLoader loader;
  loader.shape = ShapeOf(config);
  loader.max_positions = info.max_positions;
  loader.shape.reads_ids = !info.reads_texts;
  if (info.vocab_size > 0) loader.shape.vocab_size = info.vocab_size;
  if (info.rows == backends::RowKind::kTokenStates) loader.shape.hidden_size = info.width;
  loader.Keep(std::move(backend));
  return loader;
}

}  // namespace akin::engine
