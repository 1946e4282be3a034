// What a request's headers ask of a call to a model: its priority and its deadline.
#pragma once

#include <chrono>
#include <optional>

#include "akin/result.h"
#include "akin/scheduler.h"

#include "server/http/message.h"

namespace akin::server {

struct CallHeaders {
  std::optional<Priority> priority;                  // `x-priority`
  std::optional<std::chrono::milliseconds> timeout;  // `x-request-timeout-ms`, never below 0.
};

// Unset is what is not there. Error: InvalidInput, of a header with another value, or given twice:
// a client that is misread would wait for as long as the server allows, and not know why.
Result<CallHeaders> ReadCallHeaders(const HttpRequest& request);

}  // namespace akin::server
