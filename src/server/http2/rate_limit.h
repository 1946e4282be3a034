// So many at once, so many a second in the long run. On a clock that is handed in.
#pragma once

#include <algorithm>
#include <chrono>

namespace akin::server {

class RateLimit {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Full at first.
  RateLimit(double at_once, double per_second)
      : most_(at_once), per_second_(per_second), left_(at_once) {}

  // False: more than allowed.
  bool Take(TimePoint now) {
    left_ = LeftAt(now);
    last_ = now;
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }
  // Of what has happened already: more than allowed is owed.
  void Charge(TimePoint now) {
    left_ = LeftAt(now) - 1;
    last_ = now;
  }
  // Until nothing is owed any more; 0: nothing is.
  std::chrono::milliseconds Wait(TimePoint now) const {
    const double left = LeftAt(now);
    if (left >= 0) return std::chrono::milliseconds(0);
    return std::chrono::ceil<std::chrono::milliseconds>(
        std::chrono::duration<double>(-left / per_second_));
  }
  // What was of use earns so many more.
  void Give(double count) { left_ = std::min(most_, left_ + count); }

 private:
  double LeftAt(TimePoint now) const {
    if (last_ == TimePoint{}) return left_;
    const double seconds = std::chrono::duration<double>(now - last_).count();
    return std::min(most_, left_ + std::max(0.0, seconds) * per_second_);
  }

  const double most_, per_second_;
  double left_;
  TimePoint last_{};
};

}  // namespace akin::server
