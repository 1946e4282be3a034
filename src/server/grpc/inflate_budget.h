// How many bytes messages may become by inflating, a second, of all connections together: a few
// bytes cost the event loop a thousand times as many.
//
// A client takes at most half of what the others leave, as of messages that have not come whole
// (message_budget.h): of 64 MiB a second A gets 32, B beside it 16.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>

namespace akin::server {

// Of the event loop.
class InflateBudget {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit InflateBudget(size_t most_bytes) : most_(most_bytes) {}

  // Counts what has been made for a client; false: that is more than its part. Seconds are those of
  // a clock, not of a window that moves: a client may have twice its part around the end of one.
  bool Count(const std::string& client, size_t bytes, TimePoint now) {
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      all_ = 0;
      by_client_.clear();
    }
    size_t& own = by_client_[client];
    const size_t others = all_ - own;
    own += bytes;
    all_ += bytes;
    return own <= (most_ - std::min(others, most_)) / 2;
  }

 private:
  size_t most_;
  TimePoint second_;
  size_t all_ = 0;
  std::map<std::string, size_t> by_client_;  // Of those who have had something this second.
};

}  // namespace akin::server
