// What the server counts, in Prometheus' text format. The te_ families have the names and meanings
// that Text Embeddings Inference gave them, so that its dashboards go on working; akin_ ones are
// ours.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "akin/scheduler.h"

#include "server/http/http_server.h"

namespace akin::server {

// The upper bounds of a histogram's buckets: `first`, and each the one before times `growth`.
struct Bounds {
  double first = 1, growth = 2;
  size_t count = 0;
};
inline constexpr Bounds kSeconds{1.5e-5, 1.5, 35};  // 15 microseconds to some 15 seconds.
inline constexpr Bounds kTokensOfText{1, 2, 20};    // 1 to 524,288.

class Histogram {
 public:
  explicit Histogram(const Bounds& bounds);

  // So many observations of the same value.
  void Observe(double value, int64_t times = 1);
  void AppendTo(std::string& out, std::string_view family, std::string_view help) const;

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<int64_t>> counts_;  // One more than bounds: beyond all of them.
  std::atomic<double> sum_{0};
};

// Of this process; 0 where the system does not say.
int64_t ResidentBytes();

using Counter = std::atomic<int64_t>;

// What is counted of each text, whatever request it came in.
struct TaskMetrics {
  Counter texts{0}, texts_done{0};
  // All texts of a request take as long as the request; tokenizing is shared out evenly.
  Histogram total{kSeconds}, tokenization{kSeconds}, queue{kSeconds}, inference{kSeconds};
};

// All members may be used from any thread.
struct Metrics {
  Counter single_requests{0}, batch_requests{0};
  Counter single_successes{0}, batch_successes{0};
  TaskMetrics embed, predict;  // Texts to vectors of any kind; to scores.
  Counter tokens{0}, truncated_tokens{0};
  Counter refused_at_once{0};  // Requests that the queue had no room for before they were read.
  Histogram request{kSeconds}, tokenization{kSeconds}, queue{kSeconds}, inference{kSeconds};
  Histogram tokens_of_text{kTokensOfText};

  // One request of HTTP answered. `route` is the route's own path, never a path that a client made
  // up.
  void CountResponse(std::string_view route, int status);
  // One call of gRPC that has ended: "tei.v1.Embed/Embed", "OK".
  void CountCall(std::string_view method, std::string_view status);
  // A request to a model that failed: "overloaded", "validation", ...
  void CountFailure(std::string_view kind);

  struct Gauges {
    SchedulerLoad load;
    SchedulerCounts scheduler;
    HttpCounts http;
    int64_t loaded_models = 0;
    int64_t answer_bytes = 0, refused_answers = 0;
    int64_t exported_spans = 0, dropped_spans = 0;
    bool ready = false;
  };
  std::string Render(const Gauges& gauges) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> responses_;      // Guarded by mutex_,
  std::map<std::pair<std::string, std::string>, int64_t> calls_;  // likewise,
  std::map<std::string, int64_t> failures_;                       // likewise.
};

}  // namespace akin::server
