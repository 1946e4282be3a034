#include "engine/worker_pool.h"

#include <utility>

#include "base/spin.h"

namespace akin::engine {

// A team at work. Shared by the caller of Run, who waits for `running` to reach 0, and the workers,
// the last of whom may still be waking the caller when that has already returned.
struct WorkerPool::Job {
  Job(Body the_body, int size)
      : body(the_body), barrier(size), team_size(size), running(size - 1) {}
  Body body;
  Barrier barrier;
  int team_size;
  alignas(64) std::atomic<int> running;  // Workers that have not returned yet.
};

struct WorkerPool::Worker {
  enum class Call : int { kNone, kJoin, kStop };
  alignas(64) std::atomic<Call> call{Call::kNone};
  // Written before `call` becomes kJoin, read after.
  std::shared_ptr<Job> job;
  int rank = 0;
  std::thread thread;

  void Send(Call message) {
    call.store(message, std::memory_order_release);
    call.notify_one();
  }
};

WorkerPool::WorkerPool(int num_threads) : num_threads_(num_threads), free_permits_(num_threads) {
  for (int i = 1; i < num_threads; ++i) {
    Worker* worker = workers_.emplace_back(std::make_unique<Worker>()).get();
    worker->thread = std::thread([this, worker] { Work(*worker); });
    idle_.push_back(worker);
  }
}

WorkerPool::~WorkerPool() {
  for (const auto& worker : workers_) worker->Send(Worker::Call::kStop);
  for (const auto& worker : workers_) worker->thread.join();
}

void WorkerPool::Run(int wanted_size, Body body) const {
  AcquirePermit();
  const std::vector<Worker*> team = wanted_size > 1
                                        ? TakeIdleWorkers(static_cast<size_t>(wanted_size - 1))
                                        : std::vector<Worker*>();
  const auto job = std::make_shared<Job>(body, static_cast<int>(team.size()) + 1);
  for (size_t i = 0; i < team.size(); ++i) {
    team[i]->rank = static_cast<int>(i) + 1;
    team[i]->job = job;
    team[i]->Send(Worker::Call::kJoin);
  }
  body({.rank = 0, .size = job->team_size, .barrier = &job->barrier});
  ReleasePermit(nullptr);
  for (int running = job->running.load(std::memory_order_acquire); running != 0;) {
    running = WaitWhileEqual(job->running, running);
  }
}

void WorkerPool::Work(Worker& worker) const {
  for (;;) {
    if (WaitWhileEqual(worker.call, Worker::Call::kNone) == Worker::Call::kStop) return;
    const std::shared_ptr<Job> job = std::move(worker.job);
    job->body({.rank = worker.rank, .size = job->team_size, .barrier = &job->barrier});
    worker.call.store(Worker::Call::kNone, std::memory_order_relaxed);
    // Idle again before the caller hears of it: its next call, a microsecond later, finds this
    // worker.
    ReleasePermit(&worker);
    if (job->running.fetch_sub(1, std::memory_order_acq_rel) == 1) job->running.notify_one();
  }
}

void WorkerPool::AcquirePermit() const {
  std::binary_semaphore turn(0);
  {
    const std::lock_guard lock(mutex_);
    if (free_permits_ > 0) {
      --free_permits_;
      return;
    }
    waiting_.push_back(&turn);
  }
  turn.acquire();
}

void WorkerPool::ReleasePermit(Worker* idle) const {
  const std::lock_guard lock(mutex_);
  if (idle != nullptr) idle_.push_back(idle);
  if (waiting_.empty()) {
    ++free_permits_;
  } else {
    waiting_.front()->release();  // Under the lock: the semaphore lives on the waiter's stack.
    waiting_.pop_front();
  }
}

std::vector<WorkerPool::Worker*> WorkerPool::TakeIdleWorkers(size_t most) const {
  std::vector<Worker*> team;
  const std::lock_guard lock(mutex_);
  while (team.size() < most && free_permits_ > 0 && !idle_.empty()) {
    --free_permits_;
    team.push_back(idle_.back());
    idle_.pop_back();
  }
  return team;
}

}  // namespace akin::engine
