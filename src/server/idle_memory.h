// Memory of large requests, which the allocator keeps for the next ones: when it is to be given
// back to the system. Pure logic; who looks after the server asks now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace akin::server {

class IdleMemory {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr int64_t kWorthwhileBytes = int64_t{32} << 20;  // That came since the last time.
  static constexpr std::chrono::seconds kRest{2};      // Without a request before it is done,
  static constexpr std::chrono::seconds kInterval{5};  // and never more often than this.

  // Whether ReturnMemory is worth its while now. `at_rest`: no request is under way; `requests`: so
  // many have come since the start, which tells of those that came and went between two looks.
  bool IsDue(Clock::time_point now, int64_t resident_bytes, bool at_rest, int64_t requests);
  // It has been done, and so many bytes are in use.
  void Returned(int64_t resident_bytes) { in_use_bytes_ = resident_bytes; }

 private:
  std::optional<Clock::time_point> rest_begin_, last_;
  int64_t in_use_bytes_ = 0;  // Of what is resident.
  int64_t requests_ = 0;
};

// Gives what was freed back to the system. Takes a moment; other threads may wait for memory
// meanwhile.
void ReturnMemory();

}  // namespace akin::server
