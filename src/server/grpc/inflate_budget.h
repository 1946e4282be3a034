// How many bytes messages may become by inflating, a second, of all connections together: a few
// bytes cost the event loop a thousand times as many.
//
// A client takes at most half of what the others leave, as of messages that have not come whole
// (budgets/message_budget.h): of 64 MiB a second A gets 32, B beside it 16. What a message gains as
// texts do costs nothing (inflate.h), and has its turn before what gains more (call_queue.h), so
// that who sends texts waits for no more than those that others send, one of each.
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

  // Whether a client has not had more than its part of this second. Seconds are those of a clock,
  // not of a window that moves: a client may have twice its part around the end of one.
  bool MayBegin(const std::string& client, TimePoint now) {
    BeginSecond(now);
    const auto it = by_client_.find(client);
    const size_t own = it == by_client_.end() ? 0 : it->second;
    return own <= (most_ - std::min(all_ - own, most_)) / 2;
  }
  // What has been made, however much that is: a message that is begun is made whole.
  void Count(const std::string& client, size_t bytes, TimePoint now) {
    BeginSecond(now);
    if (bytes == 0) return;
    by_client_[client] += bytes;
    all_ += bytes;
  }

 private:
  void BeginSecond(TimePoint now) {
    if (now - second_ < std::chrono::seconds(1)) return;
    second_ = now;
    all_ = 0;
    by_client_.clear();
  }

  size_t most_;
  TimePoint second_;
  size_t all_ = 0;
  std::map<std::string, size_t> by_client_;  // Of those who have had something this second.
};

}  // namespace akin::server
