#include "serve_load/health_watch.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "serve_load/load_client.h"

namespace akin::bench {

HealthWatch::HealthWatch(uint16_t port) : thread_([this, port] { Watch(port); }) {}

void HealthWatch::Stop() {
  if (!thread_.joinable()) return;
  stops_ = true;
  thread_.join();
  std::ranges::sort(us_);
}

void HealthWatch::Watch(uint16_t port) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; !stops_; ++i) {
    const auto begin = Clock::now();
    try {
      Get(port, i % 2 == 0 ? "/health" : "/metrics");
      us_.push_back(std::chrono::duration<float, std::micro>(Clock::now() - begin).count());
    } catch (const std::exception&) {
      ++failures_;
    }
    std::this_thread::sleep_until(begin + std::chrono::milliseconds(20));
  }
}

}  // namespace akin::bench
