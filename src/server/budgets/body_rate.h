// Whether a body comes fast enough: it may be behind its least rate by so much time, whenever.
//
// What comes pays for the time that it may take at that rate, and for no more than the grace from
// now: 2 MB that come at once do not pay for half an hour of silence. On a clock that is handed in.
//
//   1 KiB/s, 10 s: nothing for 10 s is too slow, at the beginning and behind any number of bytes;
//   512 bytes a second are, after 20 s.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace akin::server {

class BodyRate {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Of a body that begins now. `bytes_per_second` is more than 0.
  BodyRate(std::chrono::milliseconds grace, int64_t bytes_per_second, TimePoint now)
      : grace_(grace), bytes_per_second_(bytes_per_second), paid_until_(now + grace) {}

  // So many bytes more.
  void Arrived(size_t bytes, TimePoint now) {
    bytes_ += bytes;
    const std::chrono::duration<double> paid(static_cast<double>(bytes) /
                                             static_cast<double>(bytes_per_second_));
    // Many bytes would be more time than there is.
    if (paid >= grace_) {
      paid_until_ = now + grace_;
      return;
    }
    paid_until_ += std::chrono::duration_cast<TimePoint::duration>(paid);
    paid_until_ = std::min(paid_until_, now + grace_);
  }
  // It was not read for so long.
  void Forgive(TimePoint::duration time) { paid_until_ += time; }
  bool IsTooSlow(TimePoint now) const { return now >= paid_until_; }
  size_t bytes() const { return bytes_; }  // That have come.

 private:
  std::chrono::milliseconds grace_;
  int64_t bytes_per_second_;
  TimePoint paid_until_;
  size_t bytes_ = 0;
};

}  // namespace akin::server
