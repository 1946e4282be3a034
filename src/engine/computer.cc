#include "engine/computer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include "base/floating_point.h"
#include "base/strings.h"
#include "batching/rectangle_plan.h"

namespace akin::engine {
namespace {

using batching::Batch;
using Clock = std::chrono::steady_clock;

// Sharing a batch costs up to some fifty barriers; below this much work (about 50 microseconds) one
// thread is done sooner.
constexpr double kLeastTeamFlops = 5e6;

constexpr size_t kMostRowBytes = size_t{8} << 20;

size_t LeastTeamTokens(const Network& network) {
  const double flops = network.flops_per_token();
  return network.info().divides_batches && flops > 0
             ? static_cast<size_t>(std::ceil(kLeastTeamFlops / flops))
             : SIZE_MAX;
}

Status TakeRows(const Batch& batch, const BatchSlot& slot, RowSink& sink) {
  for (size_t i = 0; i < batch.size(); ++i) AKIN_TRY(sink.Take(batch[i], slot, i));
  return {};
}

}  // namespace

size_t Computer::MostSequences(size_t row_bytes) {
  return std::max<size_t>(1, kMostRowBytes / row_bytes);
}

size_t Computer::MostTokens(const Options& options) {
  return static_cast<size_t>(std::max(options.batch_tokens, options.max_positions));
}

Computer::Computer(Network network, const Options& options)
    : network_(std::move(network)),
      options_(options),
      least_team_tokens_(LeastTeamTokens(network_)),
      sessions_(network_, static_cast<size_t>(options.num_threads), MostTokens(options),
                static_cast<size_t>(options.num_threads)),
      pool_(options.num_threads, options.worker_cpus) {}

std::vector<Batch> Computer::MakePlan(const TokenizedTexts& texts, const Wanted& wanted,
                                      size_t num_workers) const {
  const size_t token_budget = static_cast<size_t>(options_.batch_tokens);
  const auto& rectangles = network_.info().rectangles;
  // Sequences that are computed one by one are padded to nothing.
  if (rectangles && !rectangles->one_sequence) {
    return batching::PlanRectangles(texts.lengths(),
                                    {.token_budget = token_budget,
                                     .num_workers = num_workers,
                                     .buckets = rectangles->length_buckets,
                                     .rows_by_powers_of_two = rectangles->rows_by_powers_of_two});
  }
  size_t row_bytes = 1;
  for (size_t i = 0; i < kNumOutputs; ++i) {
    if (!wanted[i]) continue;
    const pooling::RowShape& shape = network_.chain(static_cast<Output>(i))->output();
    if (!shape.per_token) row_bytes += shape.width * sizeof(float);
  }
  return batching::PlanBatches(texts.lengths(), {.token_budget = token_budget,
                                                 .num_workers = num_workers,
                                                 .max_sequences = MostSequences(row_bytes)});
}

Status Computer::Compute(const TokenizedTexts& texts, const Wanted& wanted,
                         const ComputeTerms& wished, RowSink& sink) const {
  ComputeTerms terms = wished;
  terms.max_threads = std::min(terms.max_threads, options_.num_threads);
  const size_t workers = static_cast<size_t>(terms.max_threads);
  const std::vector<Batch> plan = MakePlan(texts, wanted, workers);
  if (plan.empty()) return {};  // No texts, or none with a token.
  const std::span<const Batch> all = plan;
  const size_t team = batching::BatchesOfTheTeam(all, texts.lengths(), workers, least_team_tokens_);
  if (team > 0 && TeamBackoff::ThisMachine().Pays(Clock::now())) {
    AKIN_TRY(ComputeTogether(texts, all.first(team), wanted, terms, sink));
    return ComputeApart(texts, all.subspan(team), wanted, terms, sink);
  }
  return ComputeApart(texts, all, wanted, terms, sink);
}

void Computer::Rouse(size_t num_tokens, int max_threads) const {
  const int num_threads = std::min(max_threads, options_.num_threads);
  if (num_threads > 1 && network_.info().waits_for_nobody && num_tokens >= least_team_tokens_ &&
      TeamBackoff::ThisMachine().Pays(Clock::now()))
    pool_.Rouse(num_threads);
}

Status Computer::ComputeApart(const TokenizedTexts& texts, std::span<const Batch> plan,
                              const Wanted& wanted, const ComputeTerms& terms,
                              RowSink& sink) const {
  if (plan.empty()) return {};
  std::atomic<size_t> next{0};
  std::mutex mutex;
  Status first_error;  // Guarded by mutex.
  const auto compute = [&](const Batch& batch, const TeamMember& alone, BatchSlot& slot) -> Status {
    slot.Fill(texts, batch, network_, wanted);
    alone.Lap(Stage::kCopy);
    RaggedBatch tokens = slot.batch();
    tokens.wanted_until = terms.wanted_until;
    AKIN_TRY(network_.Compute({tokens, slot.segments}, alone, *slot.session,
                              slot.Views(network_, wanted)));
    const Status status = TakeRows(batch, slot, sink);
    alone.Lap(Stage::kCopy);
    return status;
  };
  const auto work = [&](const TeamMember& member) {
    const ScopedFlushDenormals flush_denormals;
    const TeamMember alone{.clock = member.clock};
    std::optional<SessionPool::Lease> slot;
    for (size_t i; (i = next.fetch_add(1)) < plan.size();) {
      Status status;
      try {
        if (!slot) slot.emplace(sessions_);
        status = compute(plan[i], alone, **slot);
      } catch (const std::bad_alloc&) {
        status = OutOfMemory();
      }
      if (!status) {
        next = plan.size();  // The others stop too.
        const std::lock_guard lock(mutex);
        if (first_error) first_error = std::move(status);
      }
    }
  };
  pool_.Run(static_cast<int>(std::min(plan.size(), static_cast<size_t>(terms.max_threads))), work);
  return first_error;
}

Status Computer::ComputeTogether(const TokenizedTexts& texts, std::span<const Batch> plan,
                                 const Wanted& wanted, const ComputeTerms& terms,
                                 RowSink& sink) const {
  std::optional<SessionPool::Lease> slot;
  // Both written by the member of rank 0: `prepared` before the team meets, `status` after it has
  // parted.
  bool prepared = false;
  Status status;
  // What can run out of memory ends here: an exception would leave the others at a barrier.
  const auto prepare = [&](const Batch& batch) noexcept {
    prepared = false;
    if (!status) return;  // A batch before has failed.
    try {
      if (!slot) slot.emplace(sessions_);
      (*slot)->Fill(texts, batch, network_, wanted);
      prepared = true;
    } catch (const std::bad_alloc&) {
      status = OutOfMemory();
    }
  };
  const auto finish = [&](const Batch& batch, Status computed) noexcept {
    try {
      status = computed ? TakeRows(batch, **slot, sink) : std::move(computed);
    } catch (const std::bad_alloc&) {
      status = OutOfMemory();
    }
  };
  const auto work = [&](const TeamMember& member) {
    const ScopedFlushDenormals flush_denormals;
    for (const Batch& batch : plan) {
      if (member.rank == 0) prepare(batch);
      member.Lap(Stage::kCopy);
      member.Meet();
      if (!prepared) break;
      RaggedBatch tokens = (*slot)->batch();
      tokens.wanted_until = terms.wanted_until;
      Status computed = network_.Compute({tokens, (*slot)->segments}, member, *(*slot)->session,
                                         (*slot)->Views(network_, wanted));
      member.Meet();
      if (member.rank == 0 && status) finish(batch, std::move(computed));
      member.Lap(Stage::kCopy);
    }
    if (member.rank == 0) slot.reset();  // While this thread still holds its turn.
  };
  const TeamTimes times = pool_.Run(terms.max_threads, work);
  TeamBackoff::ThisMachine().Record(times, Clock::now());
  return status;
}

}  // namespace akin::engine
