#pragma once

#include <chrono>
#include <cstdint>
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

  enum class Reason : uint8_t { kNone, kDeadline, kLeft };
  // Why it is wanted no more; kNone: it still is.
  Reason Ended() const noexcept {
    if (left.stop_requested()) return Reason::kLeft;
    if (deadline && *deadline <= std::chrono::steady_clock::now()) return Reason::kDeadline;
    return Reason::kNone;
  }

  // Ok for kNone. Errors, as those of a run that was ended: DeadlineExceeded, Cancelled. Throws
  // std::bad_alloc.
  static Status StatusOf(Reason reason) {
    if (reason == Reason::kLeft) return NobodyWaits();
    if (reason == Reason::kDeadline) return DeadlinePassed();
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
