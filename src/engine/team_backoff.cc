#include "engine/team_backoff.h"

#include <algorithm>

namespace akin::engine {
namespace {

// A team that loses all the time costs one part in so many.
constexpr int kLossesApart = 20;
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
  const std::chrono::nanoseconds loss = times.elapsed - alone;
  if (loss <= std::chrono::nanoseconds(0)) return;
  const auto pause = std::min<std::chrono::nanoseconds>(kLossesApart * loss, kLongest);
  resume_.store((now + pause).time_since_epoch().count());
}

}  // namespace akin::engine
