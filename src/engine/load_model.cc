#include "engine/load_model.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/strings.h"
#include "engine/backend_loader.h"
#include "engine/load_notes.h"
#include "engine/load_parts.h"
#include "engine/precision_gate.h"
#include "hub/model_store.h"
#include "kernels/kernels.h"
#include "model/model_directory.h"
#include "model/module_rows.h"
#include "model/sentence_modules.h"

namespace akin::engine {
namespace {

using backends::RowKind;

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
  NotePrecision(options.precision, plan.isa, info);
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

}  // namespace

Result<LoadedRoutes> LoadModel(std::string_view model, const LoadOptions& options) {
  AKIN_TRY_ASSIGN(const RunPlan plan, PlanRun(options));
  AKIN_TRY_ASSIGN(const std::string path, hub::FindOrPull(model));
  AKIN_TRY_ASSIGN(const model::ModelDirectory directory, model::ModelDirectory::Open(path));
  Result<LoadedRoutes> loaded = LoadRoutes(directory, options, plan);
  if (!loaded) return WithFolder(loaded.error(), directory);
  return loaded;
}

}  // namespace akin::engine
