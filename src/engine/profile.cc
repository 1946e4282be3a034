#include "akin/profile.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/data_caches.h"
#include "base/door.h"
#include "base/function_ref.h"
#include "base/stage_clock.h"
#include "kernels/machine_peak.h"

namespace akin {
namespace {

// How a stage is called, and the kernel that does its work.
struct StageName {
  Stage stage;
  std::string_view name;
  std::string_view kernel;
};
constexpr StageName kStages[] = {
    {Stage::kCopy, "copy in and out", ""},
    {Stage::kEmbeddings, "embeddings", "embeddings"},
    {Stage::kQueryKeyValue, "query, key, value", "linear"},
    {Stage::kPositions, "positions", "positions"},
    {Stage::kAttention, "attention", "attention"},
    {Stage::kAttentionOutput, "attention output", "linear"},
    {Stage::kIntermediate, "feed-forward up", "linear"},
    {Stage::kOutput, "feed-forward down", "linear"},
    {Stage::kNorm, "norms", "layer_norm"},
    {Stage::kPrepare, "rounding, quantizing", "prepare"},
    {Stage::kBackend, "else in the backend", "backend"},
    {Stage::kPooling, "pooling", "pooling"},
    {Stage::kModule, "other modules", "modules"},
    {Stage::kWait, "waiting for the team", ""},
};
static_assert(std::size(kStages) == static_cast<size_t>(Stage::kCount));

std::vector<StageTime> SumOverThreads(std::span<const StageClock> clocks) {
  std::vector<StageTime> stages;
  for (const StageName& row : kStages) {
    StageTime sum{.stage = std::string(row.name), .kernel = std::string(row.kernel)};
    for (const StageClock& clock : clocks) {
      const StageClock::Entry& entry = clock.entry(row.stage);
      sum.calls += entry.laps;
      sum.thread_ms += std::chrono::duration<double, std::milli>(entry.time).count();
      sum.operations += entry.work.operations;
      sum.bytes += entry.work.bytes;
      if (entry.laps > 0) sum.arithmetic = entry.work.arithmetic;
    }
    if (sum.calls > 0) stages.push_back(std::move(sum));
  }
  return stages;
}

// The sum of what each of `num_threads` threads measures while the others measure too.
double SumOfThreads(int num_threads, FunctionRef<double(size_t thread)> measure) {
  enum Signal : int { kWaitForAll, kGo, kGiveUp };
  std::vector<double> results(static_cast<size_t>(num_threads));
  std::atomic<int> signal{kWaitForAll};
  const auto start = [&signal](int value) {
    signal = value;
    signal.notify_all();
  };
  std::vector<std::jthread> threads;
  threads.reserve(results.size());
  try {
    for (size_t t = 1; t < results.size(); ++t) {
      threads.emplace_back([&, t] {
        signal.wait(kWaitForAll);
        if (signal == kGo) results[t] = measure(t);
      });
    }
  } catch (...) {
    start(kGiveUp);  // The system has no more threads; those that wait must end.
    throw;
  }
  start(kGo);
  results[0] = measure(0);
  threads.clear();  // Joins them.
  return std::accumulate(results.begin(), results.end(), 0.0);
}

// The memory that a level of the hierarchy holds for sure, and the one above does not.
struct Level {
  std::string name;
  size_t bytes;
};

std::vector<Level> LevelsFor(int num_threads) {
  constexpr int64_t kLeastMemory = int64_t{64} << 20, kMostMemory = int64_t{256} << 20;
  std::vector<Level> levels;
  int64_t largest = 0;
  for (const DataCache& cache : ListDataCaches()) {
    const int sharers = std::min(cache.num_cpus, num_threads);
    levels.push_back({cache.name, static_cast<size_t>(cache.bytes / 2 / sharers)});
    largest = std::max(largest, cache.bytes);
  }
  const int64_t beyond = std::clamp(4 * largest, kLeastMemory, kMostMemory);
  levels.push_back({"memory", static_cast<size_t>(beyond / num_threads)});
  return levels;
}

// Every thread reads memory of its own.
double SumOfReadRates(Isa isa, int num_threads, size_t bytes) {
  std::vector<AlignedBuffer> memory;
  for (int t = 0; t < num_threads; ++t) {
    const AlignedBuffer& buffer = memory.emplace_back(bytes);
    std::ranges::fill(buffer.As<std::byte>(), std::byte{1});
  }
  return SumOfThreads(num_threads, [&](size_t thread) {
    return kernels::MeasuredReadRate(isa, memory[thread].As<std::byte>());
  });
}

MachinePeak Measure(Isa isa, int num_threads) {
  MachinePeak peak{.isa = isa, .num_threads = num_threads};
  for (const Precision precision :
       {Precision::kF32, Precision::kBf16, Precision::kInt16, Precision::kInt8}) {
    const double rate =
        SumOfThreads(num_threads, [&](size_t) { return kernels::MeasuredPeak(isa, precision); });
    if (rate > 0) peak.arithmetic.push_back({precision, rate});
  }
  for (const Level& level : LevelsFor(num_threads)) {
    peak.read_rates.push_back({level.name, SumOfReadRates(isa, num_threads, level.bytes)});
  }
  return peak;
}

}  // namespace

Result<StageProfile> ProfileStages(const Embedder& embedder, std::span<const std::string> texts,
                                   const EmbedOptions& options) {
  return AtTheDoor("cannot embed", {}, [&]() -> Result<StageProfile> {
    std::vector<StageClock> clocks(static_cast<size_t>(embedder.Info().num_threads));
    const ScopedStageClocks watched(clocks);
    AKIN_TRY_ASSIGN(const Embeddings embeddings, embedder.Embed(texts, options));
    const Usage& usage = embeddings.usage();
    return StageProfile{.num_threads = embedder.Info().num_threads,
                        .wall_ms = usage.duration_ms,
                        .tokenize_ms = usage.tokenize_ms,
                        .stages = SumOverThreads(clocks)};
  });
}

Result<MachinePeak> MeasureMachinePeak(Isa isa, int num_threads) {
  return AtTheDoor("cannot measure the machine", {},
                   [&]() -> Result<MachinePeak> { return Measure(isa, num_threads); });
}

}  // namespace akin
