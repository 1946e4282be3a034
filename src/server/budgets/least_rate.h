// Whether what a client sends comes fast enough: it may be behind its least rate by so much time,
// whenever. One rule for bodies of HTTP and messages of gRPC, and for the room that they have while
// others wait for it.
//
// What comes pays for the time that it may take at that rate, and for no more than the grace from
// now: 2 MB that come at once do not pay for half an hour of silence. Nor does it owe more than the
// grace: who was slow for long while nobody minded (kInRoom) and no longer is, is soon fast enough.
// On a clock that is handed in.
//
//   1 KiB/s, 10 s: nothing for 10 s is too slow, at the beginning and behind any number of bytes;
//   512 bytes a second are, after 20 s; after an hour of these 2 KiB/s are not, after 10 s.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace akin::server {

class LeastRate {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Terms {
    std::chrono::milliseconds grace;
    int64_t bytes_per_second;  // More than 0.
  };
  // Of every body and message, whoever else is there.
  static constexpr Terms kAlways{std::chrono::milliseconds(10'000), 1024};
  // Of one that has room while others wait for it.
  static constexpr Terms kInRoom{std::chrono::milliseconds(5'000), int64_t{64} << 10};

  // Of what begins now.
  LeastRate(const Terms& terms, TimePoint now) : terms_(terms), paid_until_(now + terms.grace) {}

  // So many bytes more.
  void Arrived(size_t bytes, TimePoint now) {
    bytes_ += bytes;
    const std::chrono::duration<double> paid(static_cast<double>(bytes) /
                                             static_cast<double>(terms_.bytes_per_second));
    // Many bytes would be more time than there is.
    if (paid >= terms_.grace) {
      paid_until_ = now + terms_.grace;
      return;
    }
    paid_until_ = std::max(paid_until_, now - terms_.grace);
    paid_until_ += std::chrono::duration_cast<TimePoint::duration>(paid);
    paid_until_ = std::min(paid_until_, now + terms_.grace);
  }
  // It was not read for so long before now.
  void Forgive(TimePoint::duration time, TimePoint now) {
    paid_until_ = std::min(paid_until_ + time, now + terms_.grace);
  }
  bool IsTooSlow(TimePoint now) const { return now >= paid_until_; }
  size_t bytes() const { return bytes_; }  // That have come.

 private:
  Terms terms_;
  TimePoint paid_until_;
  size_t bytes_ = 0;
};

}  // namespace akin::server
