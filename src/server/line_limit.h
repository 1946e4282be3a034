// Lines of the log whose causes cost their senders nothing: one a second is written, and says how
// many like it were left out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace akin::server {

// Of the event loop.
class LineLimit {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // If there is to be a line now: of how many before it there was none.
  std::optional<int64_t> Next(TimePoint now) {
    if (last_ && now - *last_ < std::chrono::seconds(1)) {
      ++left_out_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(left_out_, 0);
  }

 private:
  std::optional<TimePoint> last_;
  int64_t left_out_ = 0;
};

}  // namespace akin::server
