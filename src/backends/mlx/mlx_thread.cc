#include "backends/mlx/mlx_thread.h"

#include <exception>
#include <utility>

#include "base/strings.h"

namespace akin::backends::mlx {

MlxThread::MlxThread() : thread_([this] { Loop(); }) {}

MlxThread::~MlxThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Status MlxThread::Run(FunctionRef<void()> work) {
  const std::lock_guard caller(callers_);
  std::unique_lock lock(mutex_);
  work_ = &work;
  changed_.notify_all();
  changed_.wait(lock, [&] { return work_ == nullptr; });
  return std::exchange(result_, {});
}

void MlxThread::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || work_ != nullptr; });
    if (work_ == nullptr) return;
    lock.unlock();
    Status result;
    try {
      (*work_)();
    } catch (const std::exception& e) {
      result = Internal("MLX: ", e.what());
    }
    lock.lock();
    result_ = std::move(result);
    work_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace akin::backends::mlx
