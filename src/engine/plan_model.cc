// akin/memory_plan.h: the sizes that whoever allocates says, added up.
//
// What is exact comes from the code that allocates it (encoder::Encoder::MemoryOf,
// encoder::Workspace::SizeOf, pooling::Chain::MemoryOf). The tokenizer and the program are measured
// in this process. Only kThreadBytes and kHeapBytes are guesses.
#include <algorithm>
#include <exception>
#include <filesystem>
#include <set>
#include <utility>

#include "akin/memory_plan.h"

#include "base/aligned_buffer.h"
#include "base/door.h"
#include "base/process_memory.h"
#include "base/strings.h"
#include "engine/backend_loader.h"
#include "engine/computer.h"
#include "engine/load_parts.h"
#include "engine/precision_gate.h"
#include "hub/model_store.h"
#include "kernels/kernels.h"
#include "model/module_rows.h"
#include "pooling/chain.h"

namespace akin {
namespace engine {
namespace {

using backends::BackendMemory;

// Stack, the allocator's own pages and what tokenizing keeps, of each thread.
constexpr size_t kThreadBytes = size_t{512} << 10;
// Configurations, headers, names, and what the allocator loses between them.
constexpr int64_t kHeapBytes = int64_t{2} << 20;
// Where the system does not say what a process holds. A tokenizer takes 6 to 22 times its file, and
// 30 while it is loaded.
constexpr int64_t kProgramBytes = int64_t{32} << 20;
constexpr int64_t kTokenizerFactor = 22, kTokenizerLoadingFactor = 30;
// Arrays that grow may be twice as large as they need to be.
constexpr size_t kGrowth = 2;
// What the gate's texts are as one batch, at most.
constexpr size_t kGateTokens = 1024;

// The parts of a plan in one precision, over the routes of a model.
struct Sum {
  size_t weights = 0, held = 0;  // `held`: weights as they lie in memory, and tables.
  size_t tables = 0, loading = 0, workspace = 0, worker = 0, gate_worker = 0;
  WeightSharing sharing = WeightSharing::kPrivate;
  std::set<std::string> keys;  // Of encoders that are counted.
};

WeightSharing SharingOf(backends::WeightPages pages) {
  switch (pages) {
    case backends::WeightPages::kPrivate: return WeightSharing::kPrivate;
    case backends::WeightPages::kShared: return WeightSharing::kShared;
    case backends::WeightPages::kSharedNext: return WeightSharing::kSharedNext;
  }
  return WeightSharing::kPrivate;
}

// A route of the model as LoadRoute would load it.
struct Route {
  model::SentenceModules modules;
  BackendLoader loader;
};

class Planner {
 public:
  Planner(const model::ModelDirectory& directory, const LoadOptions& options, const RunPlan& run,
          MemoryPlan& plan)
      : directory_(directory), options_(options), run_(run), plan_(plan) {}

  Status Run(const PlanOptions& plan_options) {
    AKIN_TRY_ASSIGN(const model::Routes routes, model::ReadRoutes(directory_));
    std::vector<std::string> names = routes.names;
    if (names.empty()) names.emplace_back();
    for (const std::string& name : names) AKIN_TRY(AddRoute(name, plan_options));
    return AddPrecisions(names.front());
  }

 private:
  Status AddRoute(const std::string& name, const PlanOptions& plan_options) {
    AKIN_TRY_ASSIGN(model::SentenceModules modules,
                    model::LoadSentenceModules(directory_, options_.pooling, name));
    inputs_.push_back(std::make_unique<model::ModelDirectory>(directory_.In(modules.input_folder)));
    Route& route = *routes_.emplace_back(std::make_unique<Route>());
    route.modules = std::move(modules);
    const model::ModelDirectory& input = *inputs_.back();
    AKIN_TRY_ASSIGN(route.loader, MakeBackendLoader({.model_folder = directory_,
                                                     .directory = input,
                                                     .modules = route.modules,
                                                     .options = options_,
                                                     .num_threads = run_.num_threads,
                                                     .batch_tokens = run_.batch_tokens,
                                                     .isa = run_.isa}));
    if (!route.loader.plan) {
      const std::string& note = route.loader.note;
      return UnsupportedModel("model '", directory_.name(), "' is not run by the native backend, ",
                              "and what others take is not known beforehand",
                              note.empty() ? "" : "; ", note);
    }
    if (!route.loader.runs_graph) AKIN_TRY(model::AddOnnxHead(directory_, route.modules));
    AKIN_TRY(MeasureTokenizer(input, route));
    const int limit = route.modules.text.MaxTokens(route.loader.max_positions);
    if (plan_options.max_tokens > route.loader.max_positions) {
      return InvalidInput("max_tokens is ", plan_options.max_tokens, ", but model '",
                          directory_.name(), "' has ", route.loader.max_positions, " positions");
    }
    plan_.max_tokens =
        std::max(plan_.max_tokens, plan_options.max_tokens > 0 ? plan_options.max_tokens : limit);
    plan_.architecture = route.loader.shape.architecture;
    return {};
  }

  Status MeasureTokenizer(const model::ModelDirectory& input, const Route& route) {
    const auto before = ReadProcessMemory();
    AKIN_TRY_ASSIGN(auto tokenizer, LoadTokenizer(input, route.modules, route.loader.shape));
    const auto after = ReadProcessMemory();
    AKIN_TRY(CheckLimit(route.modules.text.MaxTokens(route.loader.max_positions), *tokenizer));
    plan_.tokenizer_is_measured = before && after;
    if (before && after) {
      plan_.tokenizer_bytes +=
          std::max<int64_t>(after->anonymous_bytes - before->anonymous_bytes, 0);
      plan_.tokenizer_loading_bytes =
          std::max(plan_.tokenizer_loading_bytes, after->peak_bytes - before->resident_bytes);
    } else {
      std::error_code error;
      const auto size =
          std::filesystem::file_size(std::filesystem::path(input.path()) / "tokenizer.json", error);
      const int64_t bytes = error ? 0 : static_cast<int64_t>(size);
      plan_.tokenizer_bytes += kTokenizerFactor * bytes;
      plan_.tokenizer_loading_bytes =
          std::max(plan_.tokenizer_loading_bytes, kTokenizerLoadingFactor * bytes);
    }
    tokenizers_.push_back(std::move(tokenizer));  // Stays: the next one is measured beside it.
    return {};
  }

  // Tokens of the largest batch: a longer text is one by itself.
  size_t MostTokens(const Route& route) const {
    // A table's row of each token is added up and forgotten.
    if (route.modules.input != model::InputKind::kTransformer)
      return static_cast<size_t>(run_.batch_tokens);
    return static_cast<size_t>(std::max(run_.batch_tokens, plan_.max_tokens));
  }

  Status Add(const Route& route, Precision precision, Sum& sum) const {
    const size_t reached = MostTokens(route), team = static_cast<size_t>(run_.num_threads);
    AKIN_TRY_ASSIGN(const BackendMemory memory,
                    route.loader.plan(precision, static_cast<size_t>(plan_.max_tokens)));
    if (memory.key.empty() || sum.keys.insert(memory.key).second) {
      sum.weights += memory.weight_bytes;
      sum.tables += memory.table_bytes;
      sum.held += AlignedBuffer::AllocatedBytes(memory.weight_bytes) + memory.table_bytes;
    }
    sum.loading = std::max(sum.loading, memory.loading_bytes);
    sum.sharing = SharingOf(memory.pages);
    const size_t most = Computer::MostTokens({.num_threads = run_.num_threads,
                                              .batch_tokens = run_.batch_tokens,
                                              .max_positions = route.loader.max_positions,
                                              .worker_cpus = {}});
    const BackendMemory::Workspace workspace = memory.workspace(most, reached, team);
    sum.workspace += workspace.allocated;
    sum.worker += workspace.resident + reached * kGrowth * kBytesPerToken;
    sum.gate_worker += memory.workspace(kGateTokens, kGateTokens, 1).resident;
    return AddHeads(route, precision, memory, reached, sum);
  }

  // The modules behind the encoder: their weights, and of each worker their rows.
  Status AddHeads(const Route& route, Precision precision, const BackendMemory& memory,
                  size_t reached, Sum& sum) const {
    AKIN_TRY_ASSIGN(const kernels::Kernels rows, kernels::SelectKernels(run_.isa, precision));
    AKIN_TRY_ASSIGN(const kernels::Kernels exact,
                    kernels::SelectKernels(run_.isa, Precision::kF32));
    for (const model::Head& head : route.modules.heads) {
      const pooling::RowShape input{.width = static_cast<size_t>(memory.width),
                                    .per_token = backends::HasRowsOfTokens(memory.rows)};
      const auto chain = [&](size_t num_segments) {
        return pooling::Chain::MemoryOf(ModulesBehind(memory.rows, head.modules), input,
                                        {rows, exact}, reached, num_segments,
                                        static_cast<size_t>(run_.num_threads));
      };
      const size_t row_bytes = chain(1).output.width * sizeof(float);
      const size_t segments = std::min(reached, Computer::MostSequences(row_bytes));
      const pooling::ChainMemory own = chain(segments);
      sum.tables += own.weight_bytes;
      sum.held += own.weight_bytes;
      sum.worker +=
          kGrowth * (own.scratch_bytes + (own.output.per_token ? reached : segments) * row_bytes);
    }
    return {};
  }

  Result<Sum> SumOf(Precision precision) const {
    Sum sum;
    for (const auto& route : routes_) AKIN_TRY(Add(*route, precision, sum));
    sum.worker += kThreadBytes;
    return sum;
  }

  // Of a process that holds `held`, while it is loaded and while it computes.
  int64_t Peak(size_t held, size_t loading, size_t computing) const {
    const int64_t base = plan_.program_bytes + plan_.tokenizer_bytes;
    return std::max(plan_.program_bytes + plan_.tokenizer_loading_bytes,
                    base + static_cast<int64_t>(held + std::max(loading, computing)));
  }

  size_t Computing(const Sum& sum) const {
    return sum.worker * static_cast<size_t>(run_.num_threads);
  }

  Status AddPrecision(Precision precision) {
    AKIN_TRY_ASSIGN(const Sum sum, SumOf(precision));
    AKIN_TRY_ASSIGN(const kernels::Kernels kernels, kernels::SelectKernels(run_.isa, precision));
    plan_.precisions.push_back({.precision = precision,
                                .runs_in = kernels.precision,
                                .weight_bytes = static_cast<int64_t>(sum.weights),
                                .sharing = sum.sharing,
                                .table_bytes = static_cast<int64_t>(sum.tables),
                                .workspace_bytes = static_cast<int64_t>(sum.workspace),
                                .worker_bytes = static_cast<int64_t>(sum.worker),
                                .loading_bytes = static_cast<int64_t>(sum.loading),
                                .peak_bytes = Peak(sum.held, sum.loading, Computing(sum))});
    return {};
  }

  Status AddPrecisions(const std::string& route) {
    const Route& first = *routes_.front();
    if (first.loader.one_precision) {
      plan_.auto_takes = Precision::kF32;
      AKIN_TRY(AddPrecision(Precision::kF32));
    } else if (options_.precision != Precision::kAuto) {
      plan_.auto_takes = options_.precision;
      AKIN_TRY(AddPrecision(options_.precision));
    } else {
      for (const Precision precision : kernels::kPrecisions) AKIN_TRY(AddPrecision(precision));
      return AddAuto(route);
    }
    plan_.auto_peak_bytes = plan_.precisions.front().peak_bytes;
    return {};
  }

  // Models of scores stay in f32; of others, the gate's choice, or what it takes to make it: f32
  // and one candidate after the other beside it, each computing some texts.
  Status AddAuto(const std::string& route) {
    const Route& first = *routes_.front();
    const GateOutlook outlook =
        first.modules.heads.front().output == Output::kScores
            ? GateOutlook{.candidates = {}, .known = Precision::kF32}
            : LookAtGate(*inputs_.front(), route, options_.pooling, run_.isa);
    plan_.auto_takes = outlook.known;
    AKIN_TRY_ASSIGN(const Sum f32, SumOf(Precision::kF32));
    int64_t most = PeakOf(outlook.known.value_or(Precision::kF32));
    if (!outlook.known) {
      for (const Precision candidate : outlook.candidates) {
        AKIN_TRY_ASSIGN(const Sum sum, SumOf(candidate));
        most = std::max({most, PeakOf(candidate),
                         Peak(f32.held + sum.held, std::max(f32.loading, sum.loading),
                              f32.gate_worker + sum.gate_worker + kThreadBytes)});
      }
    }
    plan_.auto_peak_bytes = most;
    return {};
  }

  int64_t PeakOf(Precision precision) const {
    return std::ranges::find(plan_.precisions, precision, &MemoryPlan::OfPrecision::precision)
        ->peak_bytes;
  }

  // Ids, types, borders and segments of a batch.
  static constexpr size_t kBytesPerToken = 5 * sizeof(int32_t) + sizeof(pooling::Segment);

  const model::ModelDirectory& directory_;
  const LoadOptions& options_;
  const RunPlan& run_;
  MemoryPlan& plan_;
  std::vector<std::unique_ptr<model::ModelDirectory>> inputs_;
  std::vector<std::unique_ptr<Route>> routes_;
  std::vector<std::shared_ptr<const tokenizer::Pipeline>> tokenizers_;
};

// Others are not asked: to be asked, they are loaded.
Status CheckBackend(const LoadOptions& options) {
  if (options.backend == BackendKind::kAuto || options.backend == BackendKind::kNative) return {};
  return UnsupportedModel("backend ", BackendKindName(options.backend),
                          ": its memory is not known beforehand; the native one's is");
}

Result<MemoryPlan> Plan(std::string_view model, const LoadOptions& load,
                        const PlanOptions& options) {
  MemoryPlan plan;
  const auto program = ReadProcessMemory();
  plan.program_bytes =
      kHeapBytes +
      (program ? program->anonymous_bytes + program->program_file_bytes : kProgramBytes);
  AKIN_TRY(CheckBackend(load));
  AKIN_TRY_ASSIGN(const RunPlan run, PlanRun(load));
  AKIN_TRY_ASSIGN(const std::string path, hub::FindOrPull(model));
  AKIN_TRY_ASSIGN(const model::ModelDirectory directory, model::ModelDirectory::Open(path));
  plan.model = directory.name();
  plan.path = directory.path();
  plan.backend = "native";
  plan.isa = IsaName(run.isa);
  plan.num_threads = run.num_threads;
  plan.batch_tokens = run.batch_tokens;
  const Status planned = Planner(directory, load, run, plan).Run(options);
  if (!planned) return WithFolder(planned.error(), directory);
  return plan;
}

}  // namespace
}  // namespace engine

std::string_view WeightSharingName(WeightSharing sharing) {
  switch (sharing) {
    case WeightSharing::kPrivate: return "private";
    case WeightSharing::kShared: return "shared";
    case WeightSharing::kSharedNext: return "shared_next";
  }
  return "private";
}

Result<MemoryPlan> PlanMemory(std::string_view model, const LoadOptions& load,
                              const PlanOptions& options) {
  return AtTheDoor("cannot plan the memory", {},
                   [&] { return engine::Plan(model, load, options); });
}

}  // namespace akin
