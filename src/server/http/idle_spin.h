// Whether the event loop looks for the next request for a moment before it sleeps.
//
// A client that asks again as soon as it has its answer is back within some tens of microseconds.
// To sleep until then and to be woken costs as much again, on a virtual machine whose core was
// halted several times as much. So after an answer with which nothing is left to do the loop looks
// again for kSpinTime, as long as clients have come back that soon of late; where they have not, it
// sleeps at once. An idle server spins for kSpinTime and no more. Pure logic: the clock is handed
// in.
#pragma once

#include <chrono>
#include <optional>

namespace akin::server {

class IdleSpin {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::microseconds kSpinTime{60};
  // Being woken delays what is seen of a client that comes back within kSpinTime by as much.
  static constexpr std::chrono::microseconds kSoonAsleep{120};

  // An answer was written and nothing is left to do.
  void Answered(TimePoint now) { answered_ = now; }
  // The first bytes of a request have been read.
  void Arrived(TimePoint now) {
    if (!answered_) return;  // It met others.
    const auto soon = pays() ? kSpinTime : kSoonAsleep;
    average_ += kWeight * ((now - *answered_ <= soon ? 1.0 : 0.0) - average_);
    answered_.reset();
  }
  // Whether to look again rather than to sleep.
  bool Spins(TimePoint now) const { return answered_ && pays() && now - *answered_ < kSpinTime; }

 private:
  static constexpr double kWeight = 0.25;

  bool pays() const { return average_ >= 0.5; }

  std::optional<TimePoint> answered_;
  double average_ = 0;  // Of requests that came soon after an answer: which part.
};

}  // namespace akin::server
