#include "engine/load_parts.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "base/cpu_affinity.h"
#include "base/packed_cache.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "kernels/kernels.h"

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

}  // namespace

Result<RunPlan> PlanRun(const LoadOptions& options) {
  RunPlan plan;
  AKIN_TRY_ASSIGN(plan.num_threads, NumThreads(options));
  AKIN_TRY(PlanWorkerCpus(plan));
  AKIN_TRY_ASSIGN(plan.batch_tokens, BatchTokens(options));
  AKIN_TRY_ASSIGN(const kernels::IsaChoice isa, kernels::ChooseIsa(options.isa));
  plan.isa = isa.isa;
  return plan;
}

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

Error WithFolder(const Error& error, const model::ModelDirectory& directory) {
  const std::string& message = error.message();
  const std::string_view file = std::string_view(message).substr(0, message.find_first_of(": "));
  if (file.empty() || !directory.Exists(file) ||
      message.find(StrCat('\'', directory.path(), '\'')) != message.npos)
    return error;
  return error.Reworded(StrCat(message, " (model folder '", directory.path(), "')"));
}

}  // namespace akin::engine
