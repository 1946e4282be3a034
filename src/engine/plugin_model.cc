#include "engine/plugin_model.h"

#include <utility>

#include "backends/plugin/plugin_backend.h"
#include "base/strings.h"
#include "model/loose_config.h"

namespace akin::engine {
namespace {

using backends::BackendInfo;
using backends::RowKind;

// Scores are made of logits or of the states of tokens, everything else of vectors or states.
Status CheckRowsFit(const BackendInfo& info, const model::SentenceModules& modules) {
  const bool scores =
      modules.kind == ModelKind::kReranker || modules.kind == ModelKind::kClassifier;
  if (info.rows == RowKind::kTokenStates) return {};
  const bool logits = info.rows == RowKind::kLogits;
  if (logits != scores) {
    return UnsupportedModel("the plug-in gives ", logits ? "logits" : "vectors", ", which a ",
                            ModelKindName(modules.kind), " model has no use for (", info.detail,
                            ")");
  }
  if (logits && static_cast<size_t>(info.width) != modules.labels.size()) {
    return InvalidModel("the plug-in gives ", info.width, " logits, config.json names ",
                        modules.labels.size(), " labels");
  }
  return {};
}

}  // namespace

Result<BackendLoader> MakePluginLoader(const LoaderInput& input) {
  AKIN_TRY_ASSIGN(const model::ModelConfig config, model::LoadLooseConfig(input.directory));
  AKIN_TRY_ASSIGN(auto backend,
                  backends::LoadPluginBackend({.plugin = input.options.plugin,
                                               .model_path = input.model_folder.path(),
                                               .precision = input.options.precision,
                                               .num_threads = input.num_threads,
                                               .max_batch_tokens = input.batch_tokens}));
  const BackendInfo info = backend->Info();
  AKIN_TRY(CheckRowsFit(info, input.modules));
  BackendLoader loader;
  loader.shape = ShapeOf(config);
  loader.shape.reads_ids = !info.reads_texts;
  if (info.vocab_size > 0) loader.shape.vocab_size = info.vocab_size;
  loader.shape.type_vocab_size = info.type_vocab_size;
  if (loader.shape.reads_ids && loader.shape.vocab_size == 0) {
    return InvalidModel("how many tokens the model knows is said neither by the plug-in nor by ",
                        "config.json (\"vocab_size\")");
  }
  if (info.rows == RowKind::kTokenStates) loader.shape.hidden_size = info.width;
  loader.max_positions = info.max_positions;
  loader.Keep(std::move(backend));
  loader.precision_reason = "the plug-in's";
  return loader;
}

}  // namespace akin::engine
