// What a request's headers ask of a call to a model: its priority and its deadline.
#pragma once

#include <chrono>
#include <optional>

#include "akin/result.h"
#include "akin/scheduler.h"

#include "server/http/message.h"

namespace akin::server {

// A deadline of the client's that is shorter is no fault of the server's when it passes: who asks
// for 0 seconds would write a warning with every request. One that is longer may be the sign of a
// server that hangs; few clients set none.
inline constexpr std::chrono::milliseconds kShortDeadline{1000};

struct CallHeaders {
  std::optional<Priority> priority;                  // `x-priority`
  std::optional<std::chrono::milliseconds> timeout;  // `x-request-timeout-ms`, never below 0.
};

// Unset is what is not there. Error: InvalidInput, of a header with another value, or given twice:
// a client that is misread would wait for as long as the server allows, and not know why.
Result<CallHeaders> ReadCallHeaders(const HttpRequest& request);

}  // namespace akin::server
