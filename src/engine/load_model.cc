#include "engine/load_model.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "akin/system.h"

#include "backends/native/native_backend.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "engine/precision_gate.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/model_directory.h"
#include "model/sentence_modules.h"

namespace akin::engine {
namespace {

// Large enough that reading the weights once a batch costs little beside the products, small enough
// that a batch's states stay in the L2 and L3 caches (docs/performance.md has the measurement).
constexpr int kDefaultBatchTokens = 512;
constexpr int kMaxBatchTokens = 1 << 20;
constexpr size_t kMaxTokenizerBytes = size_t{256} << 20;

Result<int> NumThreads(const LoadOptions& options) {
  if (options.num_threads < 0 || options.num_threads > kMaxThreads) {
    return InvalidInput("num_threads is ", options.num_threads, ", expected 1 to ", kMaxThreads,
                        ", or 0 for as many as this machine allows");
  }
  if (options.num_threads > 0) return options.num_threads;
  AKIN_TRY_ASSIGN(const UsableThreads usable, CountUsableThreads());
  return usable.count;
}

Result<int> BatchTokens(const LoadOptions& options) {
  if (options.batch_tokens < 0 || options.batch_tokens > kMaxBatchTokens) {
    return InvalidInput("batch_tokens is ", options.batch_tokens, ", expected 1 to ",
                        kMaxBatchTokens, ", or 0 for the default of ", kDefaultBatchTokens);
  }
  return options.batch_tokens > 0 ? options.batch_tokens : kDefaultBatchTokens;
}

// Every id that the tokenizer can give must have a row in the model's tables: they are read without
// a check per text.
Status CheckIdsFitTables(const tokenizer::Pipeline& tokenizer, const model::ModelConfig& config) {
  if (tokenizer.max_id() >= config.vocab_size) {
    return InvalidModel(
        "tokenizer.json: token '", tokenizer.IdToToken(tokenizer.max_id()).value_or("?"),
        "' has id ", tokenizer.max_id(), ", but config.json says vocab_size ", config.vocab_size);
  }
  if (config.type_vocab_size > 0 && tokenizer.max_type_id() >= config.type_vocab_size) {
    return InvalidModel("tokenizer.json: the post-processor gives type id ",
                        tokenizer.max_type_id(), ", but config.json says type_vocab_size ",
                        config.type_vocab_size);
  }
  return {};
}

std::string JoinNames(std::span<const model::PoolingMode> modes) {
  std::string names;
  for (const model::PoolingMode mode : modes)
    names += StrCat(names.empty() ? "" : "+", model::PoolingModeName(mode));
  return names;
}

}  // namespace

Result<LoadedModel> LoadModel(std::string_view model, const LoadOptions& options) {
  AKIN_TRY_ASSIGN(const int num_threads, NumThreads(options));
  AKIN_TRY_ASSIGN(const int batch_tokens, BatchTokens(options));
  AKIN_TRY_ASSIGN(const kernels::IsaChoice isa, kernels::ChooseIsa(options.isa));
  AKIN_TRY_ASSIGN(const std::string path, FindModel(model));
  AKIN_TRY_ASSIGN(const model::ModelDirectory directory, model::ModelDirectory::Open(path));
  AKIN_TRY_ASSIGN(const model::ModelConfig config, model::LoadModelConfig(directory));
  AKIN_TRY_ASSIGN(const model::SentenceModules modules,
                  model::LoadSentenceModules(directory, config));

  LoadedModel loaded;
  AKIN_TRY_ASSIGN(const std::string tokenizer_json,
                  directory.ReadFile("tokenizer.json", kMaxTokenizerBytes));
  AKIN_TRY_ASSIGN(loaded.tokenizer, tokenizer::Pipeline::Load(tokenizer_json, "tokenizer.json"));
  AKIN_TRY(CheckIdsFitTables(*loaded.tokenizer, config));
  if (modules.max_tokens < loaded.tokenizer->num_special_tokens()) {
    return InvalidModel("max_seq_length is ", modules.max_tokens, ", fewer than the ",
                        loaded.tokenizer->num_special_tokens(),
                        " special tokens that tokenizer.json adds to every text");
  }
  const auto load = [&](Precision precision) -> Result<std::unique_ptr<backends::Backend>> {
    AKIN_TRY_ASSIGN(const kernels::Kernels kernels, kernels::SelectKernels(isa.isa, precision));
    return backends::LoadNativeBackend(directory, config, modules, kernels);
  };
  std::string precision_reason = "requested";
  if (options.precision == Precision::kAuto) {
    AKIN_TRY_ASSIGN(GateResult gate, LoadWithinGate({.directory = directory,
                                                     .tokenizer = *loaded.tokenizer,
                                                     .max_tokens = modules.max_tokens,
                                                     .isa = isa.isa,
                                                     .load = load}));
    loaded.backend = std::move(gate.backend);
    precision_reason = std::move(gate.reason);
  } else {
    AKIN_TRY_ASSIGN(loaded.backend, load(options.precision));
  }

  const backends::BackendInfo backend = loaded.backend->Info();
  loaded.prompt = modules.default_prompt;
  loaded.truncation_side = modules.truncation_side;
  loaded.info = {.model = directory.name(),
                 .path = path,
                 .architecture = config.model_type,
                 .dimension = backend.dimension,
                 .max_tokens = modules.max_tokens,
                 .max_positions = backend.max_positions,
                 .num_layers = config.num_hidden_layers,
                 .hidden_size = config.hidden_size,
                 .num_heads = config.num_attention_heads,
                 .vocab_size = config.vocab_size,
                 .num_parameters = backend.num_parameters,
                 .pooling = JoinNames(modules.pooling),
                 .normalize = modules.normalize,
                 .backend = backend.name,
                 .precision = backend.precision,
                 .precision_reason = precision_reason,
                 .isa = backend.isa,
                 .num_threads = num_threads,
                 .batch_tokens = batch_tokens,
                 .batch_invariant = backend.batch_invariant};
  return loaded;
}

}  // namespace akin::engine
