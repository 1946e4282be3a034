#include "engine/load_model.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/cpu_affinity.h"
#include "base/packed_cache.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "engine/backend_loader.h"
#include "engine/load_notes.h"
#include "engine/precision_gate.h"
#include "hub/model_store.h"
#include "kernels/kernels.h"
#include "model/model_directory.h"
#include "model/module_rows.h"
#include "model/sentence_modules.h"

namespace akin::engine {
namespace {

using backends::RowKind;

// Large enough that reading the weights once a batch costs little beside the products, small enough
// that a batch's states stay in the L2 and L3 caches (docs/performance.md has the measurement).
constexpr int kDefaultBatchTokens = 512;
// A batch for a server elsewhere costs a round trip, and its machine may be a large one.
constexpr int kRemoteBatchTokens = 16'384;
constexpr int kMaxBatchTokens = 1 << 20;
constexpr size_t kMaxTokenizerBytes = size_t{256} << 20;

Result<int> NumThreads(const LoadOptions& options) {
  if (options.num_threads < 0 || options.num_threads > kMaxThreads) {
    return InvalidInput("num_threads is ", options.num_threads, ", expected 0 to ", kMaxThreads,
                        "; 0 is as many as this machine allows");
  }
  if (options.num_threads > 0) return options.num_threads;
  // They do not compute: each waits for a request of its own.
  if (options.backend == BackendKind::kRemote)
    return std::clamp(options.remote.max_connections, 1, kMaxThreads);
  AKIN_TRY_ASSIGN(const UsableThreads usable, CountUsableThreads());
  return usable.count;
}

Result<int> BatchTokens(const LoadOptions& options) {
  if (options.batch_tokens < 0 || options.batch_tokens > kMaxBatchTokens) {
    return InvalidInput("batch_tokens is ", options.batch_tokens, ", expected 1 to ",
                        kMaxBatchTokens, ", or 0 for the default of ", kDefaultBatchTokens);
  }
  if (options.batch_tokens > 0) return options.batch_tokens;
  return options.backend == BackendKind::kRemote ? kRemoteBatchTokens : kDefaultBatchTokens;
}

// Every id that the tokenizer can give must have a row in the model's tables: they are read without
// a check per text.
Status CheckIdsFitTables(const tokenizer::Pipeline& tokenizer, const ModelShape& shape) {
  if (!shape.reads_ids) return {};
  if (tokenizer.max_id() >= shape.vocab_size) {
    return InvalidModel("tokenizer.json: token '",
                        tokenizer.IdToToken(tokenizer.max_id()).value_or("?"), "' has id ",
                        tokenizer.max_id(), ", but config.json says vocab_size ", shape.vocab_size);
  }
  if (shape.type_vocab_size > 0 && tokenizer.max_type_id() >= shape.type_vocab_size) {
    return InvalidModel("tokenizer.json: the post-processor gives type id ",
                        tokenizer.max_type_id(), ", but config.json says type_vocab_size ",
                        shape.type_vocab_size);
  }
  return {};
}

// What is left to do of `modules` on a backend's rows.
std::span<const model::Module> ModulesBehind(RowKind rows, std::span<const model::Module> modules) {
  switch (rows) {
    case RowKind::kTokenStates: return modules;
    case RowKind::kTokenLogits: {
      const auto pooling = std::ranges::find_if(modules, [](const auto& m) {
        return std::holds_alternative<model::VocabularyPooling>(m);
      });
      return std::span(pooling, modules.end());
    }
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
std::string PoolingNames(const model::SentenceModules& modules) {
  std::string names;
  for (const model::Module& module : modules.heads.front().modules) {
    const auto* pooling = std::get_if<model::Pooling>(&module);
    if (pooling == nullptr) continue;
    for (const PoolingMode mode : pooling->modes)
      names += StrCat(names.empty() ? "" : "+", PoolingModeName(mode));
  }
  return names;
}

// What rows of an output have to be: of a backend that gives none of tokens, only dense vectors can
// be made.
Status CheckRows(Output output, const pooling::RowShape& rows) {
  if (rows.logits) {
    return UnsupportedModel("there are logits of tokens only (", rows.source,
                            "), which nothing but sparse vectors is made of, by SpladePooling or ",
                            "with pooling \"splade\"");
  }
  if (output == Output::kScores && rows.per_token) {
    return UnsupportedModel("config.json says that this model classifies, but there are states of ",
                            "tokens and no logits, and there are no weights of a head (",
                            rows.source, ")");
  }
  if (output == Output::kDense && rows.per_token) {
    return UnsupportedModel(
        "modules.json: no module makes one vector of a text's tokens (Pooling is missing)");
  }
  if (output == Output::kMultiVector && !rows.per_token) {
    return UnsupportedModel(
        "this backend gives no rows of tokens, which a multi-vector model needs");
  }
  return {};
}

// For messages: backends that run what others have made bring their own width.
std::string SourceOfWidth(const backends::BackendInfo& info) {
  if (info.name == "native" || info.name == "mlx") return "config.json: hidden_size";
  return StrCat("given by the backend ", info.name, ": ", info.detail);
}

// Backend and modules, joined.
Result<Network> MakeNetwork(std::string model, std::unique_ptr<backends::Backend> backend,
                            const model::SentenceModules& modules, Isa isa, Precision precision) {
  const backends::BackendInfo info = backend->Info();
  AKIN_TRY_ASSIGN(const kernels::Kernels token_kernels, kernels::SelectKernels(isa, precision));
  AKIN_TRY_ASSIGN(const kernels::Kernels exact, kernels::SelectKernels(isa, Precision::kF32));
  const pooling::StepKernels step_kernels{.token_rows = token_kernels, .pooled_rows = exact};
  const pooling::RowShape input{.width = static_cast<size_t>(info.width),
                                .per_token = backends::HasRowsOfTokens(info.rows),
                                .logits = info.rows == RowKind::kTokenLogits,
                                .source = SourceOfWidth(info)};
  Network::Chains chains;
  for (const model::Head& head : modules.heads) {
    AKIN_TRY_ASSIGN(
        pooling::Chain chain,
        pooling::Chain::Make(ModulesBehind(info.rows, head.modules), input, step_kernels));
    AKIN_TRY(CheckRows(head.output, chain.output()));
    chains[static_cast<size_t>(head.output)].emplace(std::move(chain));
  }
  if (info.rows == RowKind::kTokenStates && modules.input == model::InputKind::kTransformer) {
    AKIN_TRY_ASSIGN(pooling::Chain states, pooling::Chain::Make({}, input, step_kernels));
    chains[static_cast<size_t>(Output::kTokens)].emplace(std::move(states));
  }
  return Network(std::move(model), std::move(backend), std::move(chains));
}

Result<std::shared_ptr<const tokenizer::Pipeline>> LoadTokenizer(
    const model::ModelDirectory& input, const model::SentenceModules& modules,
    const ModelShape& shape) {
  constexpr char kFile[] = "tokenizer.json";
  AKIN_TRY_ASSIGN(const std::string json, input.ReadFile(kFile, kMaxTokenizerBytes));
  AKIN_TRY_ASSIGN(auto tokenizer, tokenizer::Pipeline::Load(json, kFile, modules.text.lower_case));
  AKIN_TRY(CheckIdsFitTables(*tokenizer, shape));
  return std::shared_ptr<const tokenizer::Pipeline>(std::move(tokenizer));
}

Status CheckLimit(int max_tokens, const tokenizer::Pipeline& tokenizer) {
  if (max_tokens >= tokenizer.num_special_tokens()) return {};
  return InvalidModel("max_seq_length is ", max_tokens, ", fewer than the ",
                      tokenizer.num_special_tokens(),
                      " special tokens that tokenizer.json adds to every text");
}

// In the precision that was asked for, or in the fastest that the gate lets pass. The gate compares
// vectors; models of scores stay in f32, where a small difference can turn an order round.
Result<GateResult> LoadNetwork(const LoadOptions& options, const BackendLoader& loader,
                               const GateInput& input) {
  if (loader.one_precision) {
    AKIN_TRY_ASSIGN(Network network, input.load(Precision::kF32));
    return GateResult{std::move(network), loader.precision_reason};
  }
  if (options.precision != Precision::kAuto) {
    AKIN_TRY_ASSIGN(Network network, input.load(options.precision));
    return GateResult{std::move(network), "requested"};
  }
  if (input.output != Output::kScores) return LoadWithinGate(input);
  AKIN_TRY_ASSIGN(Network network, input.load(Precision::kF32));
  return GateResult{std::move(network), "models of scores stay in f32 unless asked"};
}

std::vector<Output> OutputsOf(const Network& network, const model::SentenceModules& modules) {
  std::vector<Output> outputs;
  for (const model::Head& head : modules.heads) outputs.push_back(head.output);
  if (network.chain(Output::kTokens) != nullptr) outputs.push_back(Output::kTokens);
  return outputs;
}

int WidthOf(const Network& network, Output output) {
  const pooling::Chain* const chain = network.chain(output);
  return chain == nullptr ? 0 : static_cast<int>(chain->output().width);
}

ModelInfo Describe(const Network& network, const model::SentenceModules& modules,
                   const ModelShape& shape) {
  const backends::BackendInfo& backend = network.info();
  const pooling::Chain* const dense = network.chain(Output::kDense);
  return {.architecture = shape.architecture,
          .kind = modules.kind,
          .outputs = OutputsOf(network, modules),
          .dimension = WidthOf(network, Output::kDense),
          .token_dimension = WidthOf(network, Output::kMultiVector),
          .max_tokens = modules.text.MaxTokens(backend.max_positions),
          .max_positions = backend.max_positions,
          .num_layers = shape.num_layers,
          .hidden_size = shape.hidden_size,
          .num_heads = shape.num_heads,
          .vocab_size = shape.vocab_size,
          .num_parameters = backend.num_parameters,
          .pooling = PoolingNames(modules),
          .normalize = dense != nullptr && dense->normalizes(),
          .prompts = modules.text.prompts,
          .default_prompt_name = modules.text.default_prompt_name,
          .labels = modules.labels,
          .matryoshka_dimensions = modules.matryoshka_dimensions,
          .similarity = modules.text.similarity,
          .backend = backend.name,
          .precision = backend.precision,
          .isa = backend.isa,
          .shape_buckets =
              backend.rectangles ? backend.rectangles->length_buckets : std::vector<int32_t>(),
          .batch_invariant = backend.batch_invariant,
          .backend_detail = backend.detail,
          .notes = backend.notes};
}

ReaderSettings MakeReaderSettings(const Network& network, const model::SentenceModules& modules) {
  const pooling::Chain* const dense = network.chain(Output::kDense);
  ReaderSettings settings{.truncation_side = modules.text.truncation_side,
                          .add_special_tokens = modules.input == model::InputKind::kTransformer,
                          .excludes_prompt = dense != nullptr && dense->excludes_prompt(),
                          .max_partly_attended = network.info().max_partly_attended,
                          .keeps_texts = network.info().reads_texts,
                          .gives_token_states = network.info().rows == RowKind::kTokenStates};
  if (modules.kind == ModelKind::kMultiVector) settings.late = modules.late;
  return settings;
}

// The routes of a model are chosen as prompts are, by name: each task is one, if need be without
// text.
void AddTasksToPrompts(const model::Routes& routes, model::TextSettings& text) {
  for (const auto& [name, route] : routes.tasks) {
    if (std::ranges::find(text.prompts, name, &NamedPrompt::name) == text.prompts.end())
      text.prompts.push_back({name, ""});
  }
}

// How a call asked for the model to run, resolved.
struct RunPlan {
  int num_threads = 0;
  int batch_tokens = 0;
  Isa isa = Isa::kAuto;
  std::vector<int> worker_cpus;
  std::string note;
};

// Holds workers on CPUs where the environment asks for it and there is a CPU for each thread.
Status PlanWorkerCpus(RunPlan& plan) {
  AKIN_TRY(CheckPackedCacheSize());
  AKIN_TRY_ASSIGN(const bool wanted, WantsPinnedThreads());
  if (!wanted) return {};
  plan.worker_cpus = AllowedCpus();
  const size_t num_cpus = plan.worker_cpus.size();
  if (num_cpus >= static_cast<size_t>(plan.num_threads)) return {};
  plan.worker_cpus.clear();
  plan.note = StrCat("AKIN_PIN_THREADS is without effect: ", plan.num_threads, " threads, ",
                     num_cpus, " CPUs");
  return {};
}

Result<LoadedModel> LoadRoute(const model::ModelDirectory& directory, const model::Routes& routes,
                              const std::string& route, const LoadOptions& options,
                              const RunPlan& plan) {
  AKIN_TRY_ASSIGN(model::SentenceModules modules,
                  model::LoadSentenceModules(directory, options.pooling, route));
  AddTasksToPrompts(routes, modules.text);
  const model::ModelDirectory input = directory.In(modules.input_folder);
  AKIN_TRY_ASSIGN(const BackendLoader loader, MakeBackendLoader({.model_folder = directory,
                                                                 .directory = input,
                                                                 .modules = modules,
                                                                 .options = options,
                                                                 .num_threads = plan.num_threads,
                                                                 .batch_tokens = plan.batch_tokens,
                                                                 .isa = plan.isa}));
  if (!loader.runs_graph) AKIN_TRY(model::AddOnnxHead(directory, modules));
  AKIN_TRY_ASSIGN(auto tokenizer, LoadTokenizer(input, modules, loader.shape));
  const int max_tokens = modules.text.MaxTokens(loader.max_positions);
  AKIN_TRY(CheckLimit(max_tokens, *tokenizer));
  const auto load = [&](Precision precision) -> Result<Network> {
    AKIN_TRY_ASSIGN(auto backend, loader.load(precision));
    return MakeNetwork(directory.name(), std::move(backend), modules, plan.isa, precision);
  };
  AKIN_TRY_ASSIGN(GateResult gate, LoadNetwork(options, loader,
                                               {.directory = input,
                                                .route = route,
                                                .pooling = options.pooling,
                                                .output = modules.heads.front().output,
                                                .tokenizer = *tokenizer,
                                                .max_tokens = max_tokens,
                                                .isa = plan.isa,
                                                .load = load}));
  ModelInfo info = Describe(gate.network, modules, loader.shape);
  const int full_dimension = info.dimension;
  const bool normalize = info.normalize;
  CutByDefault(modules.text, info);
  NotePooling(modules, gate.network.info().rows, info);
  info.model = directory.name();
  info.path = directory.path();
  info.precision_reason = std::move(gate.reason);
  info.num_threads = plan.num_threads;
  info.batch_tokens = plan.batch_tokens;
  if (!loader.note.empty()) info.notes.insert(info.notes.begin(), loader.note);
  if (!plan.note.empty()) info.notes.push_back(plan.note);
  NotePrecision(options.precision, info);
  for (const backends::ProviderUse& use : gate.network.info().execution_providers)
    info.execution_providers.push_back({use.name, use.num_nodes});
  ReaderSettings settings = MakeReaderSettings(gate.network, modules);
  return LoadedModel{.route = route,
                     .info = std::move(info),
                     .settings = std::move(settings),
                     .score_activation = modules.score_activation,
                     .skip_first_vector = modules.late.skip_first,
                     .full_dimension = full_dimension,
                     .normalize = normalize,
                     .top_k = modules.text.max_active_dims,
                     .unreadable = modules.unreadable,
                     .tokenizer = std::move(tokenizer),
                     .worker_cpus = plan.worker_cpus,
                     .network = std::move(gate.network)};
}

Result<LoadedRoutes> LoadRoutes(const model::ModelDirectory& directory, const LoadOptions& options,
                                const RunPlan& plan) {
  AKIN_TRY_ASSIGN(const model::Routes routes, model::ReadRoutes(directory));
  LoadedRoutes loaded{.tasks = routes.tasks, .default_route = routes.default_name};
  if (routes.names.empty()) {
    AKIN_TRY_ASSIGN(LoadedModel only, LoadRoute(directory, routes, {}, options, plan));
    loaded.models.push_back(std::move(only));
    return loaded;
  }
  for (const std::string& route : routes.names) {
    AKIN_TRY_ASSIGN(LoadedModel one, LoadRoute(directory, routes, route, options, plan));
    loaded.models.push_back(std::move(one));
  }
  return loaded;
}

// What is wrong with a file of the folder says so by the file's name in it; where the folder is,
// who named the model by its name in a cache does not know.
Error WithFolder(const Error& error, const model::ModelDirectory& directory) {
  const std::string& message = error.message();
  const std::string_view file = std::string_view(message).substr(0, message.find_first_of(": "));
  if (file.empty() || !directory.Exists(file) ||
      message.find(StrCat('\'', directory.path(), '\'')) != message.npos)
    return error;
  return error.Reworded(StrCat(message, " (model folder '", directory.path(), "')"));
}

}  // namespace

Result<LoadedRoutes> LoadModel(std::string_view model, const LoadOptions& options) {
  RunPlan plan;
  AKIN_TRY_ASSIGN(plan.num_threads, NumThreads(options));
  AKIN_TRY(PlanWorkerCpus(plan));
  AKIN_TRY_ASSIGN(plan.batch_tokens, BatchTokens(options));
  AKIN_TRY_ASSIGN(const kernels::IsaChoice isa, kernels::ChooseIsa(options.isa));
  plan.isa = isa.isa;
  AKIN_TRY_ASSIGN(const std::string path, hub::FindOrPull(model));
  AKIN_TRY_ASSIGN(const model::ModelDirectory directory, model::ModelDirectory::Open(path));
  Result<LoadedRoutes> loaded = LoadRoutes(directory, options, plan);
  if (!loaded) return WithFolder(loaded.error(), directory);
  return loaded;
}

}  // namespace akin::engine
