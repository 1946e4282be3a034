// The one thread that calls MLX. Its streams belong to the thread that made them, and its graphs
// are evaluated in turn anyway: the parallelism is inside an operation.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "akin/result.h"

#include "base/function_ref.h"

namespace akin::backends::mlx {

class MlxThread {
 public:
  MlxThread();
  MlxThread(const MlxThread&) = delete;
  MlxThread& operator=(const MlxThread&) = delete;
  ~MlxThread();

  // Runs `work` on the thread and waits for it; callers wait for one another. What MLX throws
  // becomes Internal.
  Status Run(FunctionRef<void()> work);

 private:
  void Loop();

  std::mutex callers_;  // Held by the one whose work is under way.
  std::mutex mutex_;    // Guards what follows.
  std::condition_variable changed_;
  const FunctionRef<void()>* work_ = nullptr;  // Null: nobody waits.
  Status result_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace akin::backends::mlx
