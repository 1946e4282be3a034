#include "backends/onnxruntime/run_watch.h"

namespace akin::backends::onnxruntime {

RunWatch::RunWatch(const Library& library, std::chrono::milliseconds timeout)
    : library_(library), timeout_(timeout) {
  if (timeout_.count() > 0) thread_ = std::thread([this] { Work(); });
}

RunWatch::~RunWatch() {
  if (!thread_.joinable()) return;
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
    // Looked at every so often rather than told of each run: a run costs no wake-up.
    changed_.wait_for(lock, timeout_ / 8);
    const auto now = std::chrono::steady_clock::now();
    for (Watched* run : runs_) {
      if (run->deadline_ > now) break;
      if (run->ended_) continue;
      run->ended_ = true;
      if (OrtStatus* status = library_.api().RunOptionsSetTerminate(run->options_);
          status != nullptr) {
        library_.api().ReleaseStatus(status);
      }
    }
  }
}

RunWatch::Watched::Watched(RunWatch& watch, OrtRunOptions* options)
    : watch_(watch),
      options_(options),
      deadline_(std::chrono::steady_clock::now() + watch.timeout_) {
  if (watch_.timeout_.count() == 0) return;
  const std::lock_guard lock(watch_.mutex_);
  place_ = watch_.runs_.insert(watch_.runs_.end(), this);
}

RunWatch::Watched::~Watched() {
  if (watch_.timeout_.count() == 0) return;
  {
    const std::lock_guard lock(watch_.mutex_);
    watch_.runs_.erase(place_);
  }
  // For the next run with these options.
  if (!ended_) return;
  if (OrtStatus* status = watch_.library_.api().RunOptionsUnsetTerminate(options_);
      status != nullptr) {
    watch_.library_.api().ReleaseStatus(status);
  }
}

bool RunWatch::Watched::ended() const {
  const std::lock_guard lock(watch_.mutex_);
  return ended_;
}

}  // namespace akin::backends::onnxruntime
