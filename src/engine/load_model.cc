#include "engine/load_model.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "backends/native/native_backend.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "engine/onnxruntime_model.h"
#include "engine/precision_gate.h"
#include "hub/model_store.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/model_directory.h"
#include "model/sentence_modules.h"

namespace akin::engine {
namespace {

using backends::RowKind;

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
// A size of 0 is one that the model's files do not state.
Status CheckIdsFitTables(const tokenizer::Pipeline& tokenizer, const model::ModelConfig& config) {
  if (config.vocab_size > 0 && tokenizer.max_id() >= config.vocab_size) {
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

// What is left to do of `modules` on a backend's rows.
std::span<const model::Module> ModulesBehind(RowKind rows, std::span<const model::Module> modules) {
  switch (rows) {
    case RowKind::kTokenStates: return modules;
    case RowKind::kPooled: {
      const auto pooling = std::ranges::find_if(
          modules, [](const auto& m) { return std::holds_alternative<model::Pooling>(m); });
      return pooling == modules.end() ? modules : std::span(pooling + 1, modules.end());
    }
    case RowKind::kVectors:
    case RowKind::kLogits: return {};
  }
  return modules;
}

// "cls+mean"; empty for a model that pools by itself or not at all.
std::string PoolingNames(std::span<const model::Module> modules) {
  std::string names;
  for (const model::Module& module : modules) {
    const auto* pooling = std::get_if<model::Pooling>(&module);
    if (pooling == nullptr) continue;
    for (const model::PoolingMode mode : pooling->modes)
      names += StrCat(names.empty() ? "" : "+", model::PoolingModeName(mode));
  }
  return names;
}

// Backend and modules, joined.
Result<Network> MakeNetwork(std::unique_ptr<backends::Backend> backend,
                            std::span<const model::Module> modules) {
  const backends::BackendInfo info = backend->Info();
  AKIN_TRY_ASSIGN(pooling::Pipeline pipeline,
                  pooling::Pipeline::Make(ModulesBehind(info.rows, modules),
                                          {.width = static_cast<size_t>(info.width),
                                           .per_token = info.rows == RowKind::kTokenStates}));
  return Network(std::move(backend), std::move(pipeline));
}

// In the precision that was asked for, or in the fastest that the gate lets pass.
Result<GateResult> LoadNetwork(const LoadOptions& options, const GateInput& input) {
  if (options.precision == Precision::kAuto) return LoadWithinGate(input);
  AKIN_TRY_ASSIGN(Network network, input.load(options.precision));
  return GateResult{std::move(network), "requested"};
}

Result<std::unique_ptr<const tokenizer::Pipeline>> LoadTokenizer(
    const model::ModelDirectory& directory, const model::ModelConfig& config, int max_tokens) {
  AKIN_TRY_ASSIGN(const std::string json, directory.ReadFile("tokenizer.json", kMaxTokenizerBytes));
  AKIN_TRY_ASSIGN(auto tokenizer, tokenizer::Pipeline::Load(json, "tokenizer.json"));
  AKIN_TRY(CheckIdsFitTables(*tokenizer, config));
  if (max_tokens < tokenizer->num_special_tokens()) {
    return InvalidModel("max_seq_length is ", max_tokens, ", fewer than the ",
                        tokenizer->num_special_tokens(),
                        " special tokens that tokenizer.json adds to every text");
  }
  return tokenizer;
}

}  // namespace

Result<LoadedModel> LoadModel(std::string_view model, const LoadOptions& options) {
  AKIN_TRY_ASSIGN(const int num_threads, NumThreads(options));
  AKIN_TRY_ASSIGN(const int batch_tokens, BatchTokens(options));
  AKIN_TRY_ASSIGN(const kernels::IsaChoice isa, kernels::ChooseIsa(options.isa));
  AKIN_TRY_ASSIGN(const std::string path, hub::FindOrPull(model));
  AKIN_TRY_ASSIGN(const model::ModelDirectory directory, model::ModelDirectory::Open(path));
  Result<model::ModelConfig> own_config = model::LoadModelConfig(directory);
  std::string why;
  OnnxRuntimeModel onnx;
  const BackendKind kind = ChooseBackend(directory, options, own_config, why);
  if (kind == BackendKind::kOnnxRuntime) {
    AKIN_TRY_ASSIGN(onnx, LoadOnnxRuntimeModel(directory, options, num_threads, own_config));
    own_config = onnx.config;
  }
  AKIN_TRY_ASSIGN(const model::ModelConfig config, std::move(own_config));
  AKIN_TRY_ASSIGN(const model::SentenceModules modules,
                  model::LoadSentenceModules(directory, config));
  AKIN_TRY_ASSIGN(auto tokenizer, LoadTokenizer(directory, config, modules.max_tokens));
  const auto load = [&](Precision precision) -> Result<Network> {
    AKIN_TRY_ASSIGN(const kernels::Kernels kernels, kernels::SelectKernels(isa.isa, precision));
    AKIN_TRY_ASSIGN(auto backend, backends::LoadNativeBackend(directory, config, kernels));
    return MakeNetwork(std::move(backend), modules.modules);
  };
  const auto load_network = [&]() -> Result<GateResult> {
    if (onnx.backend != nullptr) {
      AKIN_TRY_ASSIGN(Network network, MakeNetwork(std::move(onnx.backend), modules.modules));
      return GateResult{std::move(network), "as the ONNX file is"};
    }
    return LoadNetwork(options, {.directory = directory,
                                 .tokenizer = *tokenizer,
                                 .max_tokens = modules.max_tokens,
                                 .isa = isa.isa,
                                 .load = load});
  };
  AKIN_TRY_ASSIGN(GateResult gate, load_network());
  const backends::BackendInfo& backend = gate.network.info();
  const pooling::Pipeline& pipeline = gate.network.pipeline();
  ModelInfo info{.model = directory.name(),
                 .path = path,
                 .architecture = config.model_type,
                 .dimension = static_cast<int>(pipeline.dimension()),
                 .max_tokens = modules.max_tokens,
                 .max_positions = backend.max_positions,
                 .num_layers = config.num_hidden_layers,
                 .hidden_size = config.hidden_size,
                 .num_heads = config.num_attention_heads,
                 .vocab_size = config.vocab_size,
                 .num_parameters = backend.num_parameters,
                 .pooling = PoolingNames(modules.modules),
                 .normalize = pipeline.normalizes(),
                 .backend = backend.name,
                 .precision = backend.precision,
                 .precision_reason = std::move(gate.reason),
                 .isa = backend.isa,
                 .num_threads = num_threads,
                 .batch_tokens = batch_tokens,
                 .batch_invariant = backend.batch_invariant,
                 .backend_detail = backend.detail,
                 .notes = backend.notes};
  if (!why.empty()) info.notes.insert(info.notes.begin(), why);
  for (const backends::ProviderUse& use : backend.execution_providers)
    info.execution_providers.push_back({use.name, use.num_nodes});
  return LoadedModel{.info = std::move(info),
                     .prompt = modules.default_prompt,
                     .truncation_side = modules.truncation_side,
                     .tokenizer = std::move(tokenizer),
                     .network = std::move(gate.network)};
}

}  // namespace akin::engine
