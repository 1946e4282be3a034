#include "engine/worker_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/cpu_affinity.h"
#include "base/spin.h"
#include "engine/look_out.h"

namespace akin::engine {

using Clock = std::chrono::steady_clock;

// A team at work. Shared by the caller of Run, who waits for `running` to reach 0, and the workers,
// the last of whom may still be waking the caller when that has already returned.
struct WorkerPool::Job {
  explicit Job(Body the_body) : body(the_body) {}
  // Before anybody joins.
  void Assemble(int size) {
    barrier.set_size(size);
    team_size = size;
    running.store(size - 1, std::memory_order_relaxed);
  }

  // What the member of `rank` is called with.
  TeamMember Member(int rank) {
    TeamMember member{.rank = rank, .size = team_size, .barrier = &barrier};
    if (!clocks.empty()) {
      member.clock = &clocks[static_cast<size_t>(rank)];
      member.clock->Start();
    }
    if (rank == 0) member.waited = &waited;
    return member;
  }

  Body body;
  const std::span<StageClock> clocks = ScopedStageClocks::Current();  // Of the caller.
  Barrier barrier{1};
  int team_size = 1;
  std::chrono::nanoseconds waited{0};       // The caller, for the others.
  alignas(64) std::atomic<int> running{0};  // Workers that have not returned yet.
};

struct WorkerPool::Worker {
  enum class Call : int { kNone, kRouse, kJoin, kStop };
  alignas(64) std::atomic<Call> call{Call::kNone};
  // These are written before `call` becomes kJoin, read after.
  std::shared_ptr<Job> job;
  int rank = 0;
  // Where this worker is to be held; -1: nowhere. Changed under the pool's mutex; who is roused
  // may read it at that moment, and reads it again when it joins.
  std::atomic<int> cpu{-1};
  // Of its own thread.
  int pinned_to = -1;
  LookOut look_out;
  std::thread thread;

  void Send(Call message) {
    call.store(message, std::memory_order_release);
    call.notify_one();
  }
  void Pin() {
    const int wanted = cpu.load(std::memory_order_relaxed);
    if (wanted == pinned_to) return;
    pinned_to = wanted;
    PinThisThread(wanted);  // Not being allowed to costs speed only.
  }
  // kJoin or kStop.
  Call Await() {
    for (bool is_roused = false;; is_roused = true) {
      std::chrono::nanoseconds waited{0};
      Call message =
          WaitWhileEqual(call, Call::kNone, &waited, is_roused ? kSpinTime : look_out.time());
      if (!is_roused) look_out.Record(waited);
      if (message != Call::kRouse) return message;
      // It looks out anew, unless it has been called meanwhile.
      if (!call.compare_exchange_strong(message, Call::kNone, std::memory_order_acquire))
        return message;
      Pin();  // Looking out on the caller's CPU would keep it from what it has to do.
    }
  }
};

WorkerPool::WorkerPool(int num_threads, std::vector<int> cpus)
    : num_threads_(num_threads), free_permits_(num_threads), spare_cpus_(std::move(cpus)) {
  const size_t num_workers = static_cast<size_t>(num_threads - 1);
  workers_.reserve(num_workers);
  idle_.reserve(num_workers);  // Never more: a worker that gets idle finds its place.
  try {
    for (size_t i = 0; i < num_workers; ++i) {
      Worker* worker = workers_.emplace_back(std::make_unique<Worker>()).get();
      if (!spare_cpus_.empty()) {
        worker->cpu = spare_cpus_.back();
        spare_cpus_.pop_back();
      }
      worker->thread = std::thread([this, worker] { Work(*worker); });
      idle_.push_back(worker);
    }
  } catch (...) {
    StopWorkers();  // The system has no more threads; those that run must end before they lose
                    // their pool.
    throw;
  }
}

WorkerPool::~WorkerPool() { StopWorkers(); }

void WorkerPool::StopWorkers() {
  for (const auto& worker : workers_) worker->Send(Worker::Call::kStop);
  for (const auto& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
}

TeamTimes WorkerPool::Run(int wanted_size, Body body) const {
  // What can run out of memory comes before anything is taken that would have to be given back.
  std::vector<Worker*> team;
  team.reserve(static_cast<size_t>(wanted_size));
  const auto job = std::make_shared<Job>(body);
  AcquirePermit();
  const auto start = Clock::now();
  TakeIdleWorkers(static_cast<size_t>(wanted_size - 1), team);
  job->Assemble(static_cast<int>(team.size()) + 1);
  for (size_t i = 0; i < team.size(); ++i) {
    team[i]->rank = static_cast<int>(i) + 1;
    team[i]->job = job;
    team[i]->Send(Worker::Call::kJoin);
  }
  body(job->Member(0));
  ReleasePermit(nullptr);
  for (int running = job->running.load(std::memory_order_acquire); running != 0;) {
    running = WaitWhileEqual(job->running, running, &job->waited);
  }
  return {.size = job->team_size, .elapsed = Clock::now() - start, .waited = job->waited};
}

void WorkerPool::Rouse(int wanted_size) const {
  const std::lock_guard lock(mutex_);
  // From the back, where TakeIdleWorkers begins. Until it does nobody else sends them anything.
  const size_t most = std::min(static_cast<size_t>(std::max(0, wanted_size - 1)), idle_.size());
  for (size_t i = 0; i < most; ++i) {
    Worker& worker = *idle_[idle_.size() - 1 - i];
    KeepOffCallersCpu(worker);
    auto none = Worker::Call::kNone;
    if (worker.call.compare_exchange_strong(none, Worker::Call::kRouse, std::memory_order_release,
                                            std::memory_order_relaxed))
      worker.call.notify_one();
  }
}

// Of the CPUs that are spare none is the caller's, if this worker is held on that.
void WorkerPool::KeepOffCallersCpu(Worker& worker) const {
  const int cpu = worker.cpu.load(std::memory_order_relaxed);
  if (cpu < 0 || spare_cpus_.empty() || cpu != CurrentCpu()) return;
  worker.cpu.store(std::exchange(spare_cpus_.front(), cpu), std::memory_order_relaxed);
}

void WorkerPool::Work(Worker& worker) const {
  for (;;) {
    if (worker.Await() == Worker::Call::kStop) return;
    worker.Pin();
    const std::shared_ptr<Job> job = std::move(worker.job);
    job->body(job->Member(worker.rank));
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
  // The one who released it may still be inside `release`; it holds the lock until it is out.
  const std::lock_guard released(mutex_);
}

void WorkerPool::ReleasePermit(Worker* idle) const {
  const std::lock_guard lock(mutex_);
  if (idle != nullptr) idle_.push_back(idle);
  if (waiting_.empty()) {
    ++free_permits_;
  } else {
    waiting_.front()->release();  // Under the lock, for which the waiter waits before it goes.
    waiting_.pop_front();
  }
}

void WorkerPool::TakeIdleWorkers(size_t most, std::vector<Worker*>& team) const {
  const std::lock_guard lock(mutex_);
  while (team.size() < most && free_permits_ > 0 && !idle_.empty()) {
    --free_permits_;
    KeepOffCallersCpu(*idle_.back());
    team.push_back(idle_.back());
    idle_.pop_back();
  }
}

}  // namespace akin::engine
