// What has gone wrong, and been mended, between Akin and what runs a model elsewhere.
#pragma once

#include <cstdint>

namespace akin {

// Of this process since it began, all models together.
struct BackendCounts {
  // Backend python: child processes.
  int64_t child_restarts = 0;         // Children started in place of one that ended.
  int64_t child_wrong_answers = 0;    // Of another count or width, or not finite: an error each.
  int64_t child_unknown_answers = 0;  // That nobody waited for (late, double): dropped.
  // Backend remote: servers.
  int64_t remote_requests = 0;       // Sent, retries included.
  int64_t remote_failures = 0;       // That brought no vectors.
  int64_t remote_retries = 0;        // Sent again after one of them.
  int64_t remote_refusals = 0;       // Not sent, because the circuit breaker was open.
  int64_t remote_open_breakers = 0;  // Servers that are left alone now.
};

BackendCounts CountBackends();

}  // namespace akin
