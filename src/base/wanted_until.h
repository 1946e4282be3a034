#pragma once

#include <chrono>
#include <optional>
#include <stop_token>

namespace akin {

// How long somebody wants what is being computed.
struct WantedUntil {
  // Of whoever waits longest. Unset: for ever.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // Stop is requested when all who waited have left. The default never is.
  std::stop_token left;
};

}  // namespace akin
