#include "backends/onnxruntime/run_watch.h"

#include <algorithm>

namespace akin::backends::onnxruntime {

RunWatch::RunWatch(const Library& library, std::chrono::milliseconds timeout)
    : library_(library), timeout_(timeout) {
  thread_ = std::thread([this] { Work(); });
}

RunWatch::~RunWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void RunWatch::Work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = Clock::now();
    wakes_at_ = Clock::time_point::max();
    for (Watched* run : runs_) {
      if (run->due_ <= now) {
        run->End(run->when_due_);
      } else {
        wakes_at_ = std::min(wakes_at_, run->due_);
      }
    }
    if (wakes_at_ == Clock::time_point::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, wakes_at_);
    }
  }
}

RunWatch::Watched::Watched(RunWatch& watch, OrtRunOptions* options, const WantedUntil* wanted_until)
    : watch_(watch), options_(options) {
  const auto now = Clock::now();
  if (watch_.timeout_.count() > 0) due_ = now + watch_.timeout_;
  if (wanted_until != nullptr) {
    if (wanted_until->deadline && *wanted_until->deadline < due_) {
      due_ = *wanted_until->deadline;
      when_due_ = Reason::kDeadline;
    }
  }
  {
    const std::lock_guard lock(watch_.mutex_);
    place_ = watch_.runs_.insert(watch_.runs_.end(), this);
    // Runs that follow one another are mostly due later than the first one was, for which the
    // thread wakes: a run costs no wake-up.
    if (due_ > now && due_ < watch_.wakes_at_) watch_.changed_.notify_one();
  }
  // Nothing throws from here on: whatever sets the run's flag, the destructor unsets it.
  if (due_ <= now) End(when_due_);
  if (wanted_until != nullptr && wanted_until->left.stop_possible())
    leave_.emplace(wanted_until->left, Leave{this});
}

RunWatch::Watched::~Watched() {
  leave_.reset();  // Waits for one that is being called.
  {
    const std::lock_guard lock(watch_.mutex_);
    watch_.runs_.erase(place_);
  }
  // For the next run with these options.
  if (ended() == Reason::kNone) return;
  if (OrtStatus* status = watch_.library_.api().RunOptionsUnsetTerminate(options_);
      status != nullptr) {
    watch_.library_.api().ReleaseStatus(status);
  }
}

void RunWatch::Watched::End(Reason reason) noexcept {
  Reason none = Reason::kNone;
  if (!ended_.compare_exchange_strong(none, reason)) return;
  if (OrtStatus* status = watch_.library_.api().RunOptionsSetTerminate(options_);
      status != nullptr) {
    watch_.library_.api().ReleaseStatus(status);
  }
}

}  // namespace akin::backends::onnxruntime
