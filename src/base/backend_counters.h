// Where backends count for akin/backend_counts.h.
#pragma once

#include <atomic>
#include <cstdint>

namespace akin {

struct BackendCounters {
  std::atomic<int64_t> child_restarts{0}, child_wrong_answers{0}, child_unknown_answers{0};
  std::atomic<int64_t> remote_requests{0}, remote_failures{0}, remote_retries{0};
  std::atomic<int64_t> remote_refusals{0}, remote_open_breakers{0};
};

// Of the process: a counter does not go back when a model is unloaded.
BackendCounters& CountersOfBackends();

}  // namespace akin
