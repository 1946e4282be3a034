#include "engine/onnxruntime_model.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "backends/onnxruntime/onnxruntime_backend.h"
#include "base/strings.h"
#include "model/loose_config.h"

namespace akin::engine {
namespace {

using backends::BackendInfo;
using backends::RowKind;

// Scores are made of the graph's logits, or of states where the folder has the head's weights.
Status CheckScores(const BackendInfo& info, const model::SentenceModules& modules) {
  const size_t num_labels = modules.labels.size();
  if (info.rows == RowKind::kTokenLogits) {
    return UnsupportedModel("config.json says that this model classifies, but the graph gives ",
                            "logits of every token, expected those of a text (", info.detail, ")");
  }
  if (info.rows == RowKind::kTokenStates) return {};  // What is made of them finds that out.
  if (info.rows == RowKind::kPooled) {
    return UnsupportedModel("config.json says that this model classifies, but the graph gives ",
                            "pooled states and no logits (", info.detail, ")");
  }
  if (static_cast<size_t>(info.width) == num_labels) return {};
  return InvalidModel("the graph gives ", info.width, " logits, config.json (\"id2label\") has ",
                      num_labels, " labels (", info.detail, ")");
}

// How sparse vectors are made, if they are: with a masked-language-model head, whose weights are
// not there in a folder where the graph gives the logits.
const model::VocabularyPooling* FindVocabularyPooling(const model::SentenceModules& modules) {
  for (const model::Head& head : modules.heads) {
    for (const model::Module& module : head.modules) {
      if (const auto* pooling = std::get_if<model::VocabularyPooling>(&module)) return pooling;
    }
  }
  return nullptr;
}

Status CheckTokenLogits(const BackendInfo& info) {
  if (HasRowsOfTokens(info.rows)) return {};  // What is made of states finds that out.
  return UnsupportedModel("sparse vectors are made of the logits of a masked-language-model head, ",
                          "but the graph gives one row for each text and no output 'logits' ",
                          "[batch, length, vocabulary] (", info.detail, ")");
}

bool IsOfScores(const model::SentenceModules& modules) {
  return modules.kind == ModelKind::kReranker || modules.kind == ModelKind::kClassifier;
}

}  // namespace

bool AsksForOnnxRuntime(const OnnxRuntimeOptions& options) {
  if (!options.ask_for_backend) return false;
  return !options.onnx_file.empty() || !options.output.empty() || !options.providers.empty() ||
         !options.provider_libraries.empty() || !options.library.empty() ||
         !options.shape_buckets.empty() || !options.optimized_model_cache.empty() ||
         !options.session_config.empty() || options.batch_invariant.has_value() ||
         options.optimization != OnnxRuntimeOptions{}.optimization ||
         options.run_timeout_ms != OnnxRuntimeOptions{}.run_timeout_ms;
}

Result<BackendLoader> MakeOnnxRuntimeLoader(const LoaderInput& input,
                                            const Result<model::ModelConfig>& own_config) {
  AKIN_TRY_ASSIGN(model::ModelConfig config, model::LoadLooseConfig(input.directory));
  backends::OnnxRuntimeParams params{.options = input.options.onnxruntime,
                                     .precision = input.options.precision,
                                     .isa = input.isa,
                                     .num_threads = input.num_threads,
                                     .pad_token_id = config.pad_token_id};
  params.wants_only_first_rows = std::ranges::any_of(
      input.modules.heads, [](const auto& head) { return model::ReadOnlyFirstRows(head.modules); });
  const model::VocabularyPooling* const vocabulary = FindVocabularyPooling(input.modules);
  params.prefers_logits =
      IsOfScores(input.modules) || (vocabulary != nullptr && vocabulary->weight.empty());
  if (input.options.batch_tokens > 0) params.batch_tokens = input.options.batch_tokens;
  if (own_config) config = *own_config;
  params.max_positions = config.max_positions;
  AKIN_TRY_ASSIGN(auto backend, backends::LoadOnnxRuntimeBackend(input.directory, params));
  const BackendInfo info = backend->Info();
  if (IsOfScores(input.modules)) AKIN_TRY(CheckScores(info, input.modules));
  if (vocabulary != nullptr) AKIN_TRY(CheckTokenLogits(info));
  BackendLoader loader;
  loader.runs_graph = true;
  loader.shape = ShapeOf(config);
  loader.max_positions = info.max_positions;
  if (info.vocab_size > 0) loader.shape.vocab_size = info.vocab_size;
  if (info.rows == RowKind::kTokenStates) loader.shape.hidden_size = info.width;
  loader.Keep(std::move(backend));
  return loader;
}

}  // namespace akin::engine
