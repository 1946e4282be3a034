// What a scheduler's workers do.
#include <algorithm>
#include <chrono>
#include <list>
#include <new>

#include "engine/joined_calls.h"
#include "engine/scheduler_impl.h"
#include "engine/team_backoff.h"

namespace akin {
namespace {

using batching::Pick;
using batching::Work;
using engine::JobPtr;

// For a worker that finds no memory to ask what is next.
constexpr auto kMemoryReturns = std::chrono::milliseconds(10);

Error Expired() {
  return Error(ErrorCode::kDeadlineExceeded, "the deadline passed before the request was computed");
}

}  // namespace

void Scheduler::Impl::WorkUntilStopped() {
  Lock lock(mutex_);
  while (!stopping_) {
    Work work;
    try {
      DropExpired(lock);
      // While no thread is free nothing is taken: who gives one back goes on here, or wakes
      // somebody.
      if (shares_.free() > 0) work = queue_.Next(static_cast<size_t>(num_threads_), Clock::now());
    } catch (const std::bad_alloc&) {
      wake_.wait_for(lock, kMemoryReturns);
      continue;
    }
    switch (work.kind) {
      case Work::Kind::kNothing:
        // DropExpired lets go of the lock: what Stop says meanwhile wakes nobody, nor does what
        // comes with its deadline past.
        if (stopping_ || queue_.HasExpired(Clock::now())) break;
        ++sleeping_;
        wake_.wait(lock);
        --sleeping_;
        break;
      case Work::Kind::kTokenize: Tokenize(work.request, lock); break;
      case Work::Kind::kCompute: Compute(work.batch, lock); break;
    }
  }
}

void Scheduler::Impl::DropExpired(Lock& lock) {
  if (!queue_.HasExpired(Clock::now())) return;
  const Error error = Expired();
  engine::JobChain expired;
  for (const Ticket ticket : queue_.TakeExpired(Clock::now())) {
    if (JobPtr job = TakeJob(ticket)) expired.Add(std::move(job));
  }
  if (expired.size() == 0) return;
  EndUnwantedBatches();
  counts_.expired += expired.size();
  lock.unlock();
  while (const JobPtr job = expired.Take()) job->Fail(error);
  lock.lock();
}

void Scheduler::Impl::Tokenize(Ticket ticket, Lock& lock) {
  const JobPtr job = jobs_.at(ticket);
  const int threads = shares_.TakeOne();
  WakeOne();
  lock.unlock();
  std::vector<batching::QueuedSequence> sequences;
  const Status status = AtTheDoor("cannot tokenize", {}, [&]() -> Status {
    AKIN_TRY(job->Tokenize());
    sequences = job->Sequences();
    return {};
  });
  lock.lock();
  shares_.GiveBack(threads);
  if (!status) {
    WakeOne();  // This thread has an answer to write first.
    return FailJob(ticket, status.error(), lock);
  }
  CountDuplicates(*job);
  queue_.SetSequences(ticket, std::move(sequences));
}

std::vector<engine::BatchMember> Scheduler::Impl::MembersOf(const std::vector<Pick>& batch) {
  std::vector<Member> members;
  const auto now = Clock::now();
  for (const Pick& pick : batch) {
    const auto it = jobs_.find(pick.request);
    if (it == jobs_.end()) continue;
    members.push_back({it->second, pick});
    if (!it->second->has_begun) it->second->first_batch = now;
    it->second->has_begun = true;
  }
  return members;
}

void Scheduler::Impl::Compute(const std::vector<Pick>& batch, Lock& lock) {
  std::vector<Member> members;
  std::list<RunningBatch> running_batch;
  const Status ready = AtTheDoor("cannot compute", {}, [&]() -> Status {
    members = MembersOf(batch);
    running_batch.push_back({members, {}});
    return {};
  });
  if (!ready) {
    for (const Pick& pick : batch) FailJob(pick.request, ready.error(), lock);
    return;
  }
  if (members.empty()) return;
  if (members[0].job->call() == nullptr) return DoWork(members, lock);
  const bool more_waits = queue_.waiting_tokens() > 0;
  // A backend that waits for a child or another server, or has threads of its own, takes no thread
  // but this one; with nobody else at work it may use those of its embedder, too.
  const Member& first = members[0];
  const bool waits_for_others =
      engine::WaitsForOthers(*first.job->call(), first.job->equal()[first.pick.sequence][0]);
  const bool alone = sleeping_ + 1 == num_threads_ && !more_waits;
  // One thread alone computes while teams lose (engine/team_backoff.h): it leaves the others free.
  const bool takes_one = waits_for_others || !engine::TeamBackoff::ThisMachine().Pays(Clock::now());
  const int threads = takes_one ? shares_.TakeOne() : shares_.Take(more_waits);
  WakeOne();
  const int at_most = !waits_for_others ? threads : alone ? num_threads_ : 1;
  const auto running = running_batch.begin();
  running_.splice(running_.end(), running_batch);
  lock.unlock();
  const std::stop_token left = running->left.get_token();
  const engine::BatchResult result = engine::ComputeBatch(members, at_most, left);
  std::vector<engine::BatchResult> one_by_one;
  Status tried;
  if (!result.status) {
    tried = AtTheDoor("cannot compute", {}, [&]() -> Status {
      one_by_one = engine::ComputeOneByOne(members, left);
      return {};
    });
  }
  lock.lock();
  running_.erase(running);
  shares_.GiveBack(threads);
  WakeOne();  // This thread has answers to write first.
  if (result.status) CountBatch(members.size(), result, threads);
  for (const engine::BatchResult& one : one_by_one) {
    if (one.status) CountBatch(1, one, 1);
  }
  for (size_t i = 0; i < one_by_one.size(); ++i) {
    if (!one_by_one[i].status) FailJob(members[i].pick.request, one_by_one[i].status.error(), lock);
  }
  if (!tried) {
    for (const Member& member : members) FailJob(member.pick.request, tried.error(), lock);
  }
  FinishMembers(members, lock);
}

void Scheduler::Impl::DoWork(std::span<const Member> members, Lock& lock) {
  const int threads = shares_.TakeOne();
  WakeOne();
  lock.unlock();
  const Status done = members[0].job->Work();
  lock.lock();
  shares_.GiveBack(threads);
  WakeOne();
  if (!done) return FailJob(members[0].pick.request, done.error(), lock);
  FinishMembers(members, lock);
}

void Scheduler::Impl::FailJob(Ticket ticket, const Error& error, Lock& lock) {
  queue_.Remove(ticket);
  const JobPtr job = TakeJob(ticket);
  if (job == nullptr) return;
  // Other batches of the job.
  EndUnwantedBatches();
  const bool has_expired = error.code() == ErrorCode::kDeadlineExceeded && job->deadline &&
                           *job->deadline <= Clock::now();
  ++(has_expired ? counts_.expired : counts_.failed);
  lock.unlock();
  job->Fail(error);
  lock.lock();
}

void Scheduler::Impl::FinishMembers(std::span<const Member> members, Lock& lock) {
  engine::JobChain done;
  for (const Member& member : members) {
    if (!queue_.Finish(member.pick.request)) continue;
    if (JobPtr job = TakeJob(member.pick.request)) done.Add(std::move(job));
  }
  counts_.completed += done.size();
  if (done.size() == 0) return;
  lock.unlock();
  const auto now = Clock::now();
  while (const JobPtr job = done.Take()) {
    job->finished = now;
    job->Succeed();
  }
  lock.lock();
}

}  // namespace akin
