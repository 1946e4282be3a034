#pragma once

#include <chrono>
#include <optional>
#include <stop_token>

#include "akin/result.h"

namespace akin {

// How long somebody wants what is being computed.
struct WantedUntil {
  // Of whoever waits longest. Unset: for ever.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // Stop is requested when all who waited have left. The default never is.
  std::stop_token left;

  // Ok: it still is. Errors, as those of a run that was ended: DeadlineExceeded, Cancelled.
  Status Check() const {
    if (left.stop_requested()) return NobodyWaits();
    if (deadline && *deadline <= std::chrono::steady_clock::now()) return DeadlinePassed();
    return {};
  }
  static Error DeadlinePassed() {
    return Error(ErrorCode::kDeadlineExceeded, "the deadline passed while the model ran");
  }
  static Error NobodyWaits() {
    return Error(ErrorCode::kCancelled, "nobody waits for the run of the model any more");
  }
};

}  // namespace akin
