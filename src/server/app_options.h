// What a server of models is told.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "akin/scheduler.h"

namespace akin::server {

struct AppOptions {
  std::vector<std::string> api_keys;      // Empty: none is asked for.
  std::vector<std::string> cors_origins;  // "*" is any.
  // Pages reach us by names of this machine and these only (local_host.h); "*" is any.
  std::vector<std::string> allowed_hosts = {"*"};
  size_t max_client_batch_size = 2048;
  bool auto_truncate = true;  // TEI's `truncate` when a request does not say.
  bool accept_token_ids = false;
  std::chrono::milliseconds request_timeout{60'000};
  size_t bulk_texts = 16;      // A request of more texts is bulk, unless it says otherwise.
  SchedulerOptions scheduler;  // As the scheduler runs, for /info.
  int64_t payload_limit = 0;
  int64_t answer_bytes = int64_t{256} << 20;  // Of answers that are made or not yet written.
};

}  // namespace akin::server
