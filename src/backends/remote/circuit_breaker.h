// Keeps requests from a server that has failed again and again, so that they fail at once instead
// of after their time is up, and so that it is left in peace while it recovers.
//
//   closed --failures in a row--> open --the rest is over--> one request on trial
//     ^----------------------- it succeeds ----------------------'  it fails: open, twice as long
//
// No threads and no clock of its own: its user has both.
#pragma once

#include <algorithm>
#include <chrono>

namespace akin::backends::remote {

class CircuitBreaker {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    int failures = 8;  // In a row.
    std::chrono::milliseconds first_rest{1'000};
    std::chrono::milliseconds longest_rest{30'000};
  };

  explicit CircuitBreaker(const Options& options) : options_(options) {}

  bool open() const { return open_; }
  // Whether a request may be sent now. Its outcome has to be told.
  bool Admits(Clock::time_point now) {
    if (!open_) return true;
    if (now < retry_at_ || on_trial_) return false;
    on_trial_ = true;
    return true;
  }
  // How long until one is admitted again; 0: now.
  std::chrono::milliseconds Rest(Clock::time_point now) const {
    if (!open_ || now >= retry_at_) return std::chrono::milliseconds(0);
    return std::chrono::ceil<std::chrono::milliseconds>(retry_at_ - now);
  }

  // The server has answered, whatever it said.
  void Succeeded() { *this = CircuitBreaker(options_); }
  // It has not, or only to say that it cannot.
  void Failed(Clock::time_point now) {
    ++failures_;
    const bool trial_failed = on_trial_;
    on_trial_ = false;
    if (open_ && !trial_failed) return;  // Of those that were under way when it opened.
    if (!open_ && failures_ < options_.failures) return;
    rest_ = open_ ? std::min(2 * rest_, options_.longest_rest) : options_.first_rest;
    open_ = true;
    retry_at_ = now + rest_;
  }

 private:
  Options options_;
  bool open_ = false;
  bool on_trial_ = false;
  int failures_ = 0;
  std::chrono::milliseconds rest_{0};
  Clock::time_point retry_at_{};
};

}  // namespace akin::backends::remote
