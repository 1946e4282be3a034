#include "engine/team_backoff.h"

#include <algorithm>

namespace akin::engine {
namespace {

// A team that loses all the time costs one part in so many.
constexpr int kLossesApart = 20;
// The most that teams may have gained and lose again: some five time slices. A machine on which
// they lose all the time is found out by what it costs.
constexpr std::chrono::milliseconds kMostGain{20};
// A machine that was busy may be quiet again by now.
constexpr std::chrono::seconds kLongest{5};

}  // namespace

TeamBackoff& TeamBackoff::ThisMachine() {
  static TeamBackoff backoff;
  return backoff;
}

void TeamBackoff::Record(const TeamTimes& times, TimePoint now) {
  if (times.size < 2) return;
  const std::chrono::nanoseconds alone = times.size * (times.elapsed - times.waited);
  const std::chrono::nanoseconds gain = alone - times.elapsed;
  const std::lock_guard lock(mutex_);
  gained_ = std::min<std::chrono::nanoseconds>(gained_ + gain, kMostGain);
  if (gained_ >= std::chrono::nanoseconds(0)) return;
  gained_ = std::chrono::nanoseconds(0);
  const auto pause = std::min<std::chrono::nanoseconds>(kLossesApart * -gain, kLongest);
  resume_.store((now + pause).time_since_epoch().count());
}

}  // namespace akin::engine
