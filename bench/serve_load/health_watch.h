// Somebody who asks for /health and /metrics all the time, as an orchestrator and Prometheus do.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace akin::bench {

class HealthWatch {
 public:
  // Asks every 20 ms, each time on a connection of its own, from a thread of its own.
  explicit HealthWatch(uint16_t port);
  ~HealthWatch() { Stop(); }
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;
  // Until it has stopped nothing can be read.
  void Stop();
  const std::vector<float>& microseconds() const { return us_; }  // Of each answer, sorted.
  int failures() const { return failures_; }                      // No answer, or not 200.

 private:
  void Watch(uint16_t port);

  std::atomic<bool> stops_ = false;
  std::vector<float> us_;
  int failures_ = 0;
  std::thread thread_;
};

}  // namespace akin::bench
