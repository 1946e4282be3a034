// Where the time of a batch goes: one clock for each thread that computes, read at the border of
// two stages. Without a clock (the usual case: TeamMember::clock is null) a border costs one branch
// that is always predicted, a dozen times a layer.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "akin/options.h"

namespace akin {

// The stages of a batch on its way from ids to vectors.
enum class Stage {
  kCopy,             // Ids of the texts into the batch, vectors out of it.
  kEmbeddings,       // Rows of the tables, added and normalized.
  kQueryKeyValue,    // The product in front of attention.
  kPositions,        // Queries and keys normed and turned by their positions.
  kAttention,        // Scores, softmax, context.
  kAttentionOutput,  // The product behind it, added to the residual stream.
  kIntermediate,     // The first product of the feed-forward part, activation included.
  kOutput,           // The second one, added to the residual stream.
  kNorm,             // Norms, and the rounding or quantizing of what they give.
  kPrepare,          // Rounding or quantizing elsewhere, for the next product.
  kBackend,  // In the backend, but for the stages above: all of one that is no encoder of ours.
  kPooling,  // Token states to one vector.
  kModule,   // What the model's other modules do (Dense, a head, ...).
  kWait,     // For the rest of the team.
  kCount,
};

// What a stage did between two readings of the clock.
struct StageWork {
  double operations = 0;  // A multiplication and an addition are two.
  double bytes = 0;       // Weights and activations that it read or wrote, each counted once.
  Precision arithmetic = Precision::kF32;  // What the operations ran in.
};

// The laps of one thread.
class StageClock {
 public:
  struct Entry {
    int64_t laps = 0;
    std::chrono::nanoseconds time{0};
    StageWork work;
  };

  // The next lap begins now.
  void Start() { last_ = Clock::now(); }

  // Counts the time since the lap before to `stage`.
  void Lap(Stage stage, const StageWork& work = {}) {
    const Clock::time_point now = Clock::now();
    Entry& entry = entries_[static_cast<size_t>(stage)];
    ++entry.laps;
    entry.time += now - last_;
    entry.work.operations += work.operations;
    entry.work.bytes += work.bytes;
    entry.work.arithmetic = work.arithmetic;
    last_ = now;
  }

  const Entry& entry(Stage stage) const { return entries_[static_cast<size_t>(stage)]; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_{};
  std::array<Entry, static_cast<size_t>(Stage::kCount)> entries_{};
};

// While it lives, what this thread has computed by the engine's threads is timed: the member of
// rank r of its teams uses clocks[r]. There are at least as many as the engine has threads.
class ScopedStageClocks {
 public:
  explicit ScopedStageClocks(std::span<StageClock> clocks) : before_(current_) {
    current_ = clocks;
  }
  ~ScopedStageClocks() { current_ = before_; }
  ScopedStageClocks(const ScopedStageClocks&) = delete;
  ScopedStageClocks& operator=(const ScopedStageClocks&) = delete;

  // Those of the calling thread; usually none.
  static std::span<StageClock> Current() { return current_; }

 private:
  static inline thread_local std::span<StageClock> current_;
  std::span<StageClock> before_;
};

}  // namespace akin
