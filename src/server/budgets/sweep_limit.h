// For how long one waits for room, or to be inflated, and how many of those that have waited for
// too long end in one sweep: those that began together would end together, and 9,700 calls of gRPC
// took the event loop for half a second.
#pragma once

#include <chrono>
#include <utility>

namespace akin::server {

constexpr std::chrono::milliseconds kWaitingTime{10'000};

// Of the event loop.
class SweepLimit {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  static constexpr int kMost = 256;

  SweepLimit() = default;
  explicit SweepLimit(int most) : most_(most) {}

  // Whether one that waits since then may end in the sweep of `now`. When it has waited for twice
  // as long it may in any case: others, who are always swept before it, might be too many.
  bool MayEnd(TimePoint since, std::chrono::milliseconds patience, TimePoint now) {
    if (now - since < patience) return false;
    if (now - since >= 2 * patience) return true;
    if (std::exchange(sweep_, now) != now) num_ended_ = 0;
    if (num_ended_ == most_) return false;
    ++num_ended_;
    return true;
  }

 private:
  const int most_ = kMost;
  TimePoint sweep_;
  int num_ended_ = 0;
};

}  // namespace akin::server
