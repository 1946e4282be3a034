// What a scheduler has learned of its speed: when there will be room again, and what the thread
// that brings a request may compute itself.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace akin::engine {

class SchedulerSpeed {
 public:
  using Duration = std::chrono::steady_clock::duration;

  void AddBatch(size_t tokens, int threads, Duration elapsed);
  // Of one thread; 0 before the first batch.
  double tokens_per_second() const { return tokens_per_second_; }
  // Until `tokens` are computed by `num_threads`, in whole seconds, at least 1 and at most an hour.
  // 1 before the first batch: the text of a few tokens that warms a model up has not the pace of a
  // batch, which is known one batch later.
  int SecondsFor(int64_t tokens, int num_threads) const;

  // Whether the thread that brings a request, which has other things to do, is done with it soon.
  bool IsShortHere(double flops) const;
  // It was, or it was not tried: then a pace that was too slow is forgotten bit by bit.
  void AddHere(double flops, Duration elapsed);
  void PassedBy();

 private:
  double tokens_per_second_ = 0;
  double seconds_per_flop_here_ = 0;
};

}  // namespace akin::engine
