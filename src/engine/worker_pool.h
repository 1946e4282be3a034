// The threads that compute. A caller's own thread is one of them, so that a short text pays for no
// hand-over; idle workers join it as a team.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <semaphore>
#include <span>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "base/team.h"
#include "engine/team_backoff.h"

namespace akin::engine {

class WorkerPool {
 public:
  using Body = FunctionRef<void(const TeamMember&)>;

  // Starts num_threads - 1 workers; the caller of Run is the last one. Of `cpus`, at least
  // num_threads, each worker is held on one of its own, which it leaves for one that no other has
  // where its caller is on it; without any the system places them. A caller is never held: its
  // thread is not ours. Throws std::system_error or std::bad_alloc when threads cannot be had, with
  // none left running.
  explicit WorkerPool(int num_threads, std::vector<int> cpus = {});
  // All calls of Run have returned.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int num_threads() const { return num_threads_; }

  // Runs `body` on this thread and at the same time on as many idle workers as there are, at most
  // wanted_size - 1; returns when all have returned, with how long a team took. At most num_threads
  // bodies run at any time, over all callers: others wait for their turn, first come first served.
  // `body` does not throw. Throws std::bad_alloc before anything is run.
  TeamTimes Run(int wanted_size, Body body) const;

  // A Run with a team of that size is some microseconds away: idle workers that sleep are woken now
  // and look out for it, so that waking them and what comes before Run take their time together.
  // Nothing follows when none comes.
  void Rouse(int wanted_size) const;

 private:
  struct Job;
  struct Worker;

  void Work(Worker& worker) const;
  void AcquirePermit() const;
  void ReleasePermit(Worker* idle) const;
  void TakeIdleWorkers(size_t most, std::vector<Worker*>& team) const;
  void KeepOffCallersCpu(Worker& worker) const;
  void StopWorkers();

  const int num_threads_;
  // Guards what follows; never held while a body runs.
  mutable std::mutex mutex_;
  mutable int free_permits_;
  mutable std::deque<std::binary_semaphore*>
      waiting_;  // Callers without a permit, in the order of arrival.
  mutable std::vector<Worker*> idle_;
  mutable std::vector<int> spare_cpus_;  // That no worker is held on.
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace akin::engine
