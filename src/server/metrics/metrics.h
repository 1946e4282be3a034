// What the server counts, in Prometheus' text format. The te_ families have the names and meanings
// that Text Embeddings Inference gave them, so that its dashboards go on working; akin_ ones are
// ours.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "akin/scheduler.h"

#include "server/http/http_server.h"

namespace akin::server {

// Durations in seconds: 15 microseconds times 1.5, 35 times (to some 15 seconds).
class Histogram {
 public:
  static constexpr size_t kBuckets = 35;

  void Observe(double seconds);
  void AppendTo(std::string& out, std::string_view family, std::string_view help) const;

 private:
  std::array<std::atomic<int64_t>, kBuckets + 1> counts_{};  // The last one: beyond all bounds.
  std::atomic<double> sum_{0};
};

// Of this process; 0 where the system does not say.
int64_t ResidentBytes();

using Counter = std::atomic<int64_t>;

// All members may be used from any thread.
struct Metrics {
  Counter single_requests{0}, batch_requests{0};
  Counter single_successes{0}, batch_successes{0};
  Counter texts{0}, texts_done{0};
  Counter tokens{0}, truncated_tokens{0};
  Histogram request, tokenization, queue, inference;

  // One request answered. `route` is the route's own path, never a path that a client made up.
  void CountResponse(std::string_view route, int status);
  // A request to a model that failed: "overloaded", "validation", ...
  void CountFailure(std::string_view kind);

  struct Gauges {
    SchedulerLoad load;
    SchedulerCounts scheduler;
    HttpCounts http;
    int64_t loaded_models = 0;
    int64_t exported_spans = 0, dropped_spans = 0;
    bool ready = false;
  };
  std::string Render(const Gauges& gauges) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> responses_;  // Guarded by mutex_,
  std::map<std::string, int64_t> failures_;                   // likewise.
};

}  // namespace akin::server
