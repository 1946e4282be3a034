// The threads around batching::RequestQueue and batching::ThreadShares: they decide, these compute.
//
// One mutex guards the queue and the table of jobs; it is never held while a model computes or a
// caller is told. A job belongs to whoever takes it out of the table, and only that thread calls
// `done`: so it is called once, whatever meets (the last batch, a cancellation, a deadline).
#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "akin/scheduler.h"

#include "base/door.h"
#include "batching/request_queue.h"
#include "batching/thread_shares.h"
#include "engine/scheduler_batch.h"
#include "engine/scheduler_job.h"
#include "engine/scheduler_speed.h"

namespace akin {

class Scheduler::Impl {
 public:
  Impl(const SchedulerOptions& options, int num_threads);
  ~Impl() { Stop(); }

  // Throws std::system_error or std::bad_alloc; the destructor ends those that run.
  void StartThreads();
  void Stop();
  void Abandon();

  template <typename JobType, typename Request, typename Done>
  Result<Ticket> Submit(Request request, Done done) {
    return AtTheDoor("cannot queue the request", {}, [&]() -> Result<Ticket> {
      const RequestTerms terms = request.terms;
      const auto job = std::make_shared<JobType>(std::move(request), std::move(done));
      job->submitted = Clock::now();
      job->deadline = terms.deadline;
      job->begin = terms.begin;
      if (terms.may_compute_here) {
        if (const auto ticket = ComputeHere(job, terms)) return *ticket;
      }
      return Queue(job, terms);
    });
  }
  void Cancel(Ticket ticket);

  SchedulerLoad Load() const;
  ClientLoad LoadOf(const std::string& client, std::optional<Priority> priority) const;
  SchedulerCounts Counts() const;
  int num_threads() const { return num_threads_; }

 private:
  using Clock = engine::Job::Clock;
  using Lock = std::unique_lock<std::mutex>;
  using Member = engine::BatchMember;

  // --- Who brings requests (scheduler_impl.cc) ---
  // A short request to a scheduler that has nothing to do. Nothing: it is to be queued.
  std::optional<Ticket> ComputeHere(const engine::JobPtr& job, const RequestTerms& terms);
  Result<Ticket> Queue(const engine::JobPtr& job, const RequestTerms& terms);
  // Whoever takes a job calls `done`. Null: somebody else has.
  engine::JobPtr TakeJob(Ticket ticket);
  void CountDuplicates(engine::Job& job);
  // One that was computed.
  void CountBatch(size_t sequences, const engine::BatchResult& result, int threads);
  // If there is something to do and a thread to do it.
  void WakeOne();
  // Ends batches under way whose jobs have all left, where the backend can.
  void EndUnwantedBatches();
  Error RefusedFor(batching::QueueBound bound, const std::string& client);  // Counts it.

  // --- The workers (scheduler_workers.cc); they come with the lock and leave with it ---
  void WorkUntilStopped();
  void DropExpired(Lock& lock);
  void Tokenize(Ticket ticket, Lock& lock);
  void Compute(const std::vector<batching::Pick>& batch, Lock& lock);
  void DoWork(std::span<const Member> members, Lock& lock);
  std::vector<Member> MembersOf(const std::vector<batching::Pick>& batch);
  void FailJob(Ticket ticket, const Error& error, Lock& lock);
  void FinishMembers(std::span<const Member> members, Lock& lock);

  const SchedulerOptions options_;
  const int num_threads_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable wake_;
  batching::RequestQueue queue_;
  batching::ThreadShares shares_;
  std::unordered_map<Ticket, engine::JobPtr> jobs_;
  // Under way. `members` are the computing worker's.
  struct RunningBatch {
    std::span<const Member> members;
    std::stop_source left;
  };
  std::list<RunningBatch> running_;
  Ticket next_ticket_ = 1;
  int sleeping_ = 0;
  bool here_ = false;  // A request is being computed by the thread that brought it.
  bool stopping_ = false;
  engine::SchedulerSpeed speed_;
  SchedulerCounts counts_;

  std::vector<std::thread> threads_;
};

}  // namespace akin
