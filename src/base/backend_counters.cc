#include "base/backend_counters.h"

#include "akin/backend_counts.h"

namespace akin {

BackendCounters& CountersOfBackends() {
  static BackendCounters counters;
  return counters;
}

BackendCounts CountBackends() {
  const BackendCounters& counters = CountersOfBackends();
  return {.child_restarts = counters.child_restarts,
          .child_wrong_answers = counters.child_wrong_answers,
          .child_unknown_answers = counters.child_unknown_answers,
          .remote_requests = counters.remote_requests,
          .remote_failures = counters.remote_failures,
          .remote_retries = counters.remote_retries,
          .remote_refusals = counters.remote_refusals,
          .remote_open_breakers = counters.remote_open_breakers};
}

}  // namespace akin
