// What a scheduler's workers do.
#include <algorithm>

#include "engine/joined_calls.h"
#include "engine/scheduler_impl.h"
#include "engine/team_backoff.h"

namespace akin {
namespace {

using batching::Pick;
using batching::Work;
using engine::JobPtr;

Error Expired() {
  return Error(ErrorCode::kDeadlineExceeded, "the deadline passed before the request was computed");
}

}  // namespace

void Scheduler::Impl::WorkUntilStopped() {
  Lock lock(mutex_);
  while (!stopping_) {
    DropExpired(lock);
    // While no thread is free nothing is taken: who gives one back goes on here, or wakes somebody.
    const int idle = shares_.free();
    const Work work = idle > 0 ? queue_.Next(static_cast<size_t>(idle)) : Work{};
    switch (work.kind) {
      case Work::Kind::kNothing:
        // DropExpired lets go of the lock: what Stop says meanwhile wakes nobody.
        if (stopping_) break;
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
  std::vector<JobPtr> expired;
  for (const Ticket ticket : queue_.TakeExpired(Clock::now())) {
    if (JobPtr job = TakeJob(ticket)) expired.push_back(std::move(job));
  }
  if (expired.empty()) return;
  EndUnwantedBatches();
  counts_.expired += static_cast<int64_t>(expired.size());
  lock.unlock();
  for (const JobPtr& job : expired) job->Fail(Expired());
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
  const std::vector<Member> members = MembersOf(batch);
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
  const auto running = running_.insert(running_.end(), RunningBatch{members, {}});
  lock.unlock();
  const std::stop_token left = running->left.get_token();
  const engine::BatchResult result = engine::ComputeBatch(members, at_most, left);
  std::vector<engine::BatchResult> one_by_one;
  if (!result.status) one_by_one = engine::ComputeOneByOne(members, left);
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
  FinishMembers(members, lock);
}

void Scheduler::Impl::DoWork(std::span<const Member> members, Lock& lock) {
  const int threads = shares_.TakeOne();
  WakeOne();
  lock.unlock();
  members[0].job->Work();
  lock.lock();
  shares_.GiveBack(threads);
  WakeOne();
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
  std::vector<JobPtr> done;
  for (const Member& member : members) {
    if (!queue_.Finish(member.pick.request)) continue;
    if (JobPtr job = TakeJob(member.pick.request)) done.push_back(std::move(job));
  }
  counts_.completed += static_cast<int64_t>(done.size());
  if (done.empty()) return;
  lock.unlock();
  const auto now = Clock::now();
  for (const JobPtr& job : done) {
    job->finished = now;
    job->Succeed();
  }
  done.clear();
  lock.lock();
}

}  // namespace akin
