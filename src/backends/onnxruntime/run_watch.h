// Ends runs that take too long, and those whose rows nobody wants any more: ONNX Runtime looks at a
// run's terminate flag between two nodes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "backends/onnxruntime/library.h"
#include "base/wanted_until.h"

namespace akin::backends::onnxruntime {

class RunWatch {
 public:
  using Clock = std::chrono::steady_clock;

  // No limit of its own with a timeout of 0. Throws std::system_error when there is no thread to be
  // had.
  RunWatch(const Library& library, std::chrono::milliseconds timeout);
  ~RunWatch();
  RunWatch(const RunWatch&) = delete;
  RunWatch& operator=(const RunWatch&) = delete;

  std::chrono::milliseconds timeout() const { return timeout_; }

  // Why a run was ended.
  enum class Reason { kNone, kTimeout, kDeadline, kLeft };

  // Watches one run with `options` for as long as it lives.
  class Watched {
   public:
    // `wanted_until` may be nullptr; what it says may be over already.
    Watched(RunWatch& watch, OrtRunOptions* options, const WantedUntil* wanted_until);
    ~Watched();
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    // Whether the run's flag was set; to be asked before the run begins, and when it has returned.
    Reason ended() const { return ended_.load(); }

   private:
    friend class RunWatch;
    struct Leave {
      Watched* run;
      void operator()() const noexcept { run->End(Reason::kLeft); }
    };

    void End(Reason reason) noexcept;

    RunWatch& watch_;
    OrtRunOptions* const options_;
    Clock::time_point due_ = Clock::time_point::max();
    Reason when_due_ = Reason::kTimeout;
    std::atomic<Reason> ended_ = Reason::kNone;
    std::list<Watched*>::iterator place_;
    std::optional<std::stop_callback<Leave>> leave_;
  };

 private:
  void Work();

  const Library& library_;
  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Watched*> runs_;                               // Guarded by mutex_.
  Clock::time_point wakes_at_ = Clock::time_point::max();  // The thread; guarded by mutex_.
  bool stopping_ = false;                                  // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace akin::backends::onnxruntime
