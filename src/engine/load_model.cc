#include "engine/load_model.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <utility>
#include <variant>

#include "backends/mlx/mlx_backend.h"
#include "backends/native/native_backend.h"
#include "backends/native/static_backend.h"
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

// What is known of the model before its backend is loaded.
struct Shape {
  std::string architecture;
  int vocab_size = 0;
  int type_vocab_size = 0;  // 0: types are not read.
  int num_layers = 0, hidden_size = 0, num_heads = 0;
};

// Every id that the tokenizer can give must have a row in the model's tables: they are read without
// a check per text.
Status CheckIdsFitTables(const tokenizer::Pipeline& tokenizer, const Shape& shape) {
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

// Backend and modules, joined.
Result<Network> MakeNetwork(std::unique_ptr<backends::Backend> backend,
                            const model::SentenceModules& modules, Isa isa, Precision precision) {
  const backends::BackendInfo info = backend->Info();
  AKIN_TRY_ASSIGN(const kernels::Kernels token_kernels, kernels::SelectKernels(isa, precision));
  AKIN_TRY_ASSIGN(const kernels::Kernels exact, kernels::SelectKernels(isa, Precision::kF32));
  const pooling::StepKernels step_kernels{.token_rows = token_kernels, .pooled_rows = exact};
  const pooling::RowShape input{.width = static_cast<size_t>(info.width),
                                .per_token = info.rows == RowKind::kTokenStates};
  Network::Chains chains;
  for (const model::Head& head : modules.heads) {
    AKIN_TRY_ASSIGN(
        pooling::Chain chain,
        pooling::Chain::Make(ModulesBehind(info.rows, head.modules), input, step_kernels));
    AKIN_TRY(CheckRows(head.output, chain.output()));
    chains[static_cast<size_t>(head.output)].emplace(std::move(chain));
  }
  if (input.per_token) {
    AKIN_TRY_ASSIGN(pooling::Chain states, pooling::Chain::Make({}, input, step_kernels));
    chains[static_cast<size_t>(Output::kTokens)].emplace(std::move(states));
  }
  return Network(std::move(backend), std::move(chains));
}

Result<std::shared_ptr<const tokenizer::Pipeline>> LoadTokenizer(
    const model::ModelDirectory& directory, const model::SentenceModules& modules,
    const Shape& shape) {
  const std::string folder = modules.input_folder;
  const std::string file = folder.empty() ? "tokenizer.json" : folder + "/tokenizer.json";
  AKIN_TRY_ASSIGN(const std::string json, directory.ReadFile(file, kMaxTokenizerBytes));
  AKIN_TRY_ASSIGN(auto tokenizer, tokenizer::Pipeline::Load(json, file, modules.text.lower_case));
  AKIN_TRY(CheckIdsFitTables(*tokenizer, shape));
  return std::shared_ptr<const tokenizer::Pipeline>(std::move(tokenizer));
}

Status CheckLimit(int max_tokens, const tokenizer::Pipeline& tokenizer) {
  if (max_tokens >= tokenizer.num_special_tokens()) return {};
  return InvalidModel("max_seq_length is ", max_tokens, ", fewer than the ",
                      tokenizer.num_special_tokens(),
                      " special tokens that tokenizer.json adds to every text");
}

// How the backend is loaded in a precision, and what is known beforehand.
struct BackendLoader {
  Shape shape;
  int max_positions = 0;
  bool one_precision = false;  // The file's own; the gate has nothing to choose.
  std::string note;            // What was not taken and why, or empty.
  std::function<Result<std::unique_ptr<backends::Backend>>(Precision precision)> load;

  std::string precision_reason = "as the model's file is";

  // A backend that is there already.
  void Keep(std::unique_ptr<backends::Backend> backend) {
    one_precision = true;
    const auto kept = std::make_shared<std::unique_ptr<backends::Backend>>(std::move(backend));
    load = [kept](Precision) -> Result<std::unique_ptr<backends::Backend>> {
      return std::move(*kept);
    };
  }
};

Shape ShapeOf(const model::ModelConfig& config) {
  Shape shape;
  shape.architecture = config.model_type;
  shape.vocab_size = config.vocab_size;
  shape.type_vocab_size = config.type_vocab_size;
  shape.num_layers = config.num_hidden_layers;
  shape.hidden_size = config.hidden_size;
  shape.num_heads = config.num_attention_heads;
  return shape;
}

Result<BackendLoader> MakeStaticLoader(const model::ModelDirectory& directory,
                                       const model::SentenceModules& modules) {
  AKIN_TRY_ASSIGN(backends::StaticBackend table,
                  backends::LoadStaticBackend(directory, modules.input_folder));
  const backends::BackendInfo info = table.backend->Info();
  BackendLoader loader;
  loader.shape.architecture = "static";
  loader.shape.vocab_size = table.vocab_size;
  loader.shape.hidden_size = info.width;
  loader.max_positions = info.max_positions;
  loader.Keep(std::move(table.backend));
  return loader;
}

Result<BackendLoader> MakeTransformerLoader(const model::ModelDirectory& directory,
                                            const LoadOptions& options, int num_threads, Isa isa) {
  BackendLoader loader;
  Result<model::ModelConfig> own_config = model::LoadModelConfig(directory);
  if (ChooseBackend(directory, options, own_config, loader.note) == BackendKind::kOnnxRuntime) {
    AKIN_TRY_ASSIGN(OnnxRuntimeModel onnx,
                    LoadOnnxRuntimeModel(directory, options, num_threads, own_config));
    loader.shape = ShapeOf(onnx.config);
    loader.max_positions = onnx.config.max_positions;
    loader.Keep(std::move(onnx.backend));
    return loader;
  }
  AKIN_TRY_ASSIGN(model::ModelConfig config, std::move(own_config));
  loader.shape = ShapeOf(config);
  loader.max_positions = config.max_positions;
  if (options.backend == BackendKind::kMlx) {
    AKIN_TRY_ASSIGN(auto backend, backends::LoadMlxBackend(directory, config, options.precision));
    loader.Keep(std::move(backend));
    loader.precision_reason = options.precision == Precision::kAuto ? "mlx's default" : "requested";
    return loader;
  }
  loader.load = [&directory, config = std::move(config),
                 isa](Precision precision) -> Result<std::unique_ptr<backends::Backend>> {
    AKIN_TRY_ASSIGN(const kernels::Kernels kernels, kernels::SelectKernels(isa, precision));
    return backends::LoadNativeBackend(directory, config, kernels);
  };
  return loader;
}

// In the precision that was asked for, or in the fastest that the gate lets pass. The gate compares
// dense vectors; other models stay in f32.
Result<GateResult> LoadNetwork(const LoadOptions& options, ModelKind kind,
                               const BackendLoader& loader, const GateInput& input) {
  if (loader.one_precision) {
    AKIN_TRY_ASSIGN(Network network, input.load(Precision::kF32));
    return GateResult{std::move(network), loader.precision_reason};
  }
  if (options.precision != Precision::kAuto) {
    AKIN_TRY_ASSIGN(Network network, input.load(options.precision));
    return GateResult{std::move(network), "requested"};
  }
  if (kind == ModelKind::kDense) return LoadWithinGate(input);
  AKIN_TRY_ASSIGN(Network network, input.load(Precision::kF32));
  return GateResult{std::move(network), "only dense vectors are measured for a faster one"};
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
                   const Shape& shape) {
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
                          .add_special_tokens = modules.kind != ModelKind::kStatic,
                          .excludes_prompt = dense != nullptr && dense->excludes_prompt(),
                          .max_partly_attended = network.info().max_partly_attended};
  if (modules.kind == ModelKind::kMultiVector) settings.late = modules.late;
  return settings;
}

}  // namespace

Result<LoadedModel> LoadModel(std::string_view model, const LoadOptions& options) {
  AKIN_TRY_ASSIGN(const int num_threads, NumThreads(options));
  AKIN_TRY_ASSIGN(const int batch_tokens, BatchTokens(options));
  AKIN_TRY_ASSIGN(const kernels::IsaChoice isa, kernels::ChooseIsa(options.isa));
  AKIN_TRY_ASSIGN(const std::string path, hub::FindOrPull(model));
  AKIN_TRY_ASSIGN(const model::ModelDirectory directory, model::ModelDirectory::Open(path));
  AKIN_TRY_ASSIGN(const model::SentenceModules modules,
                  model::LoadSentenceModules(directory, options.pooling));
  AKIN_TRY_ASSIGN(const BackendLoader loader,
                  modules.kind == ModelKind::kStatic
                      ? MakeStaticLoader(directory, modules)
                      : MakeTransformerLoader(directory, options, num_threads, isa.isa));
  AKIN_TRY_ASSIGN(auto tokenizer, LoadTokenizer(directory, modules, loader.shape));
  const int max_tokens = modules.text.MaxTokens(loader.max_positions);
  AKIN_TRY(CheckLimit(max_tokens, *tokenizer));
  const auto load = [&](Precision precision) -> Result<Network> {
    AKIN_TRY_ASSIGN(auto backend, loader.load(precision));
    return MakeNetwork(std::move(backend), modules, isa.isa, precision);
  };
  AKIN_TRY_ASSIGN(GateResult gate, LoadNetwork(options, modules.kind, loader,
                                               {.directory = directory,
                                                .tokenizer = *tokenizer,
                                                .max_tokens = max_tokens,
                                                .isa = isa.isa,
                                                .load = load}));
  ModelInfo info = Describe(gate.network, modules, loader.shape);
  info.model = directory.name();
  info.path = path;
  info.precision_reason = std::move(gate.reason);
  info.num_threads = num_threads;
  info.batch_tokens = batch_tokens;
  if (!loader.note.empty()) info.notes.insert(info.notes.begin(), loader.note);
  for (const backends::ProviderUse& use : gate.network.info().execution_providers)
    info.execution_providers.push_back({use.name, use.num_nodes});
  ReaderSettings settings = MakeReaderSettings(gate.network, modules);
  return LoadedModel{.info = std::move(info),
                     .settings = std::move(settings),
                     .score_activation = modules.score_activation,
                     .skip_first_vector = modules.late.skip_first,
                     .unreadable = modules.unreadable,
                     .tokenizer = std::move(tokenizer),
                     .network = std::move(gate.network)};
}

}  // namespace akin::engine
