#include "server/model_memory.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace akin::server {
namespace {

// Upwards: what is said is enough.
int64_t Mebibytes(int64_t bytes) { return (bytes + (int64_t{1} << 20) - 1) >> 20; }

// What the model runs in. A plan of Precision::kAuto has a row of each, else there is one.
const MemoryPlan::OfPrecision& RowOf(const MemoryPlan& plan, const ModelInfo& info) {
  const auto found = std::ranges::find_if(plan.precisions, [&info](const auto& row) {
    return PrecisionName(row.precision) == info.precision;
  });
  return found == plan.precisions.end() ? plan.precisions.front() : *found;
}

}  // namespace

ModelMemory::ModelMemory(const RegistryOptions& options) : options_(options) {
  for (const ModelSpec& spec : options.models)
    plans_.push_back(PlanMemory(spec.source, spec.OptionsFrom(options.load)));
}

void ModelMemory::Log(Logger& logger, size_t i, const ModelInfo& info) {
  const std::string& name = options_.models[i].name;
  if (!plans_[i]) {
    ++num_unknown_;
    return logger.Log(LogLevel::kInfo, "memory of the model is not known",
                      {{"model", name}, {"reason", plans_[i].error().message()}});
  }
  const MemoryPlan& plan = *plans_[i];
  const MemoryPlan::OfPrecision& row = RowOf(plan, info);
  bytes_.push_back(row.peak_bytes - plan.program_bytes);
  std::vector<LogField> fields = {{"model", name},
                                  {"precision", PrecisionName(row.runs_in)},
                                  {"mib", Mebibytes(bytes_.back())},
                                  {"weights_mib", Mebibytes(row.weight_bytes)},
                                  {"weights", WeightSharingName(row.sharing)},
                                  {"worker_mib", Mebibytes(row.worker_bytes)},
                                  {"workers", plan.num_threads},
                                  {"max_tokens", plan.max_tokens}};
  if (!plan.auto_takes && plan.auto_peak_bytes > row.peak_bytes) {
    const int64_t more = plan.auto_peak_bytes - row.peak_bytes;
    fields.emplace_back("first_load_mib", Mebibytes(bytes_.back() + more));
    measuring_bytes_ = std::max(measuring_bytes_, more);
  }
  logger.Log(LogLevel::kInfo, "memory of the model, at most", std::move(fields));
}

void ModelMemory::LogSum(Logger& logger, int64_t budget_bytes, int64_t limit_bytes) const {
  if (bytes_.empty()) return;
  const auto planned = std::ranges::find_if(plans_, [](const auto& plan) { return bool{plan}; });
  const int64_t program = (*planned)->program_bytes;
  const int64_t sum = program + BytesAtOnce(bytes_, options_.max_loaded);
  std::vector<LogField> fields = {{"mib", Mebibytes(sum)}, {"program_mib", Mebibytes(program)}};
  if (measuring_bytes_ > 0)
    fields.emplace_back("first_start_mib", Mebibytes(sum + measuring_bytes_));
  fields.emplace_back("budgets_mib", Mebibytes(budget_bytes));
  if (limit_bytes > 0) fields.emplace_back("limit_mib", limit_bytes >> 20);
  if (num_unknown_ > 0) fields.emplace_back("not_known", static_cast<int64_t>(num_unknown_));
  const bool fits = limit_bytes == 0 || sum <= limit_bytes;
  logger.Log(fits ? LogLevel::kInfo : LogLevel::kWarn,
             fits ? "memory of all models, at most"
                  : "memory of all models, at most, which is more than there is",
             std::move(fields));
}

int64_t ModelMemory::BytesAtOnce(std::vector<int64_t> models, size_t max_loaded) {
  std::ranges::sort(models, std::greater());
  if (max_loaded > 0 && max_loaded < models.size()) models.resize(max_loaded + 1);
  return std::accumulate(models.begin(), models.end(), int64_t{0});
}

}  // namespace akin::server
