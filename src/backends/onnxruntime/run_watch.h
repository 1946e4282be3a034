// Ends runs that take too long: ONNX Runtime looks at a run's terminate flag between two nodes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include "backends/onnxruntime/library.h"

namespace akin::backends::onnxruntime {

class RunWatch {
 public:
  // No limit, and no thread, with a timeout of 0. Throws std::system_error when there is no thread
  // to be had.
  RunWatch(const Library& library, std::chrono::milliseconds timeout);
  ~RunWatch();
  RunWatch(const RunWatch&) = delete;
  RunWatch& operator=(const RunWatch&) = delete;

  std::chrono::milliseconds timeout() const { return timeout_; }

  // Watches one run with `options` for as long as it lives.
  class Watched {
   public:
    Watched(RunWatch& watch, OrtRunOptions* options);
    ~Watched();
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    // Whether the run's flag was set; to be asked when the run has returned.
    bool ended() const;

   private:
    friend class RunWatch;
    RunWatch& watch_;
    OrtRunOptions* options_;
    std::chrono::steady_clock::time_point deadline_;
    bool ended_ = false;  // Guarded by watch_.mutex_.
    std::list<Watched*>::iterator place_;
  };

 private:
  void Work();

  const Library& library_;
  const std::chrono::milliseconds timeout_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Watched*> runs_;  // Guarded by mutex_. The first is the oldest.
  bool stopping_ = false;     // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace akin::backends::onnxruntime
