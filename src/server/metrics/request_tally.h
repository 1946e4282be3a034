// How one request to a model ends in the metrics, whatever transport and dialect it came by.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string_view>

#include "server/metrics/metrics.h"

namespace akin::server {

// Counts that a request has come, and once how it ended: te_request_count is te_request_success and
// te_request_failure and those under way. Of any thread.
class RequestTally {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RequestTally(Metrics& metrics, Clock::time_point begin = Clock::now())
      : metrics_(metrics), begin_(begin) {}
  RequestTally(const RequestTally&) = delete;
  RequestTally& operator=(const RequestTally&) = delete;

  // It has been read. `is_list`: its texts are a list, of one, perhaps. The first call counts.
  void Begin(bool is_list) {
    if (begun_.exchange(true)) return;
    is_list_ = is_list;
    ++(is_list ? metrics_.batch_requests : metrics_.single_requests);
  }

  // The first of these two counts. -> how many seconds it took.
  double Succeed() {
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    if (ended_.exchange(true)) return seconds;
    Begin(false);
    ++(is_list_ ? metrics_.batch_successes : metrics_.single_successes);
    metrics_.request.Observe(seconds);
    return seconds;
  }
  // `kind`: "validation", "overloaded" and so on (FailureKind).
  void Fail(std::string_view kind) {
    if (ended_.exchange(true)) return;
    Begin(false);
    metrics_.CountFailure(kind);
  }

 private:
  Metrics& metrics_;
  const Clock::time_point begin_;
  std::atomic<bool> begun_{false}, ended_{false}, is_list_{false};
};
using RequestTallyPtr = std::shared_ptr<RequestTally>;

}  // namespace akin::server
