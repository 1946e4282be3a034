#include "engine/scheduler_speed.h"

#include <algorithm>
#include <cmath>

namespace akin::engine {
namespace {

// What may be computed on the thread that brings it: that thread has other things to do, such as
// serving connections, and must be back in some milliseconds on a slow machine, too.
constexpr double kMostFlopsHere = 1e9;
constexpr double kMostSecondsHere = 0.02;  // As fast as it has gone of late.

// How much of the pace's estimate such a request replaces, and from where on it is arithmetic that
// takes the time.
constexpr double kPaceWeight = 0.2;
constexpr double kLeastFlopsOfPace = 1e7;
// How much of the speed's estimate a batch replaces.
constexpr double kSpeedWeight = 0.1;

double SecondsOf(SchedulerSpeed::Duration elapsed) {
  return std::max(1e-6, std::chrono::duration<double>(elapsed).count());
}

}  // namespace

void SchedulerSpeed::AddBatch(size_t tokens, int threads, Duration elapsed) {
  const double speed = static_cast<double>(tokens) / SecondsOf(elapsed) / threads;
  tokens_per_second_ = tokens_per_second_ == 0
                           ? speed
                           : (1 - kSpeedWeight) * tokens_per_second_ + kSpeedWeight * speed;
}

int SchedulerSpeed::SecondsFor(int64_t tokens, int num_threads) const {
  if (tokens_per_second_ <= 0) return 1;
  const double seconds = static_cast<double>(tokens) / (tokens_per_second_ * num_threads);
  return std::max(1, static_cast<int>(std::ceil(std::min(seconds, 3600.))));
}

bool SchedulerSpeed::IsShortHere(double flops) const {
  return flops <= kMostFlopsHere && flops * seconds_per_flop_here_ <= kMostSecondsHere;
}

void SchedulerSpeed::AddHere(double flops, Duration elapsed) {
  if (flops < kLeastFlopsOfPace) return;
  seconds_per_flop_here_ += kPaceWeight * (SecondsOf(elapsed) / flops - seconds_per_flop_here_);
}

void SchedulerSpeed::PassedBy() { seconds_per_flop_here_ *= 1 - kPaceWeight; }

}  // namespace akin::engine
