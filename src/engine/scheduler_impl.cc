#include "engine/scheduler_impl.h"

#include <algorithm>
#include <bit>

#include "base/strings.h"
#include "engine/joined_calls.h"

namespace akin {
namespace {

using engine::JobPtr;

// What a request may have to be tokenized, perhaps computed, on the thread that brings it.
constexpr size_t kMostBytesHere = 512;

batching::QueuePriority QueuePriorityOf(Priority priority) {
  return priority == Priority::kQuery ? batching::QueuePriority::kQuery
                                      : batching::QueuePriority::kBulk;
}

// 1 -> 0, 2 -> 1, 3 and 4 -> 2, ...; what is beyond all buckets lies in the last one.
size_t PowerOfTwoBucket(size_t value, size_t buckets) {
  return std::min<size_t>(std::bit_width(std::max<size_t>(value, 1) - 1), buckets - 1);
}

const char* OptionOf(batching::QueueBound bound) {
  switch (bound) {
    case batching::QueueBound::kRequests: return "max_requests";
    case batching::QueueBound::kTokens: return "max_tokens";
    case batching::QueueBound::kBytes: break;
  }
  return "max_bytes";
}

Error Stopped() { return Error(ErrorCode::kServiceUnavailable, "the server is stopping"); }

}  // namespace

Scheduler::Impl::Impl(const SchedulerOptions& options, int num_threads)
    : options_(options),
      num_threads_(num_threads),
      queue_({.max_requests = static_cast<size_t>(options.max_requests),
              .max_tokens = static_cast<size_t>(options.max_tokens),
              .max_bytes = static_cast<size_t>(options.max_bytes),
              .batch_tokens = static_cast<size_t>(options.batch_tokens)}),
      shares_(num_threads) {}

void Scheduler::Impl::StartThreads() {
  for (int i = 0; i < num_threads_; ++i) threads_.emplace_back([this] { WorkUntilStopped(); });
}

void Scheduler::Impl::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  Abandon();
}

void Scheduler::Impl::Abandon() {
  std::unordered_map<Ticket, JobPtr> jobs;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
    jobs.swap(jobs_);
    for (const auto& [ticket, job] : jobs) queue_.Remove(ticket);
    EndUnwantedBatches();
  }
  for (const auto& [ticket, job] : jobs) job->Fail(Stopped());
}

std::optional<Scheduler::Ticket> Scheduler::Impl::ComputeHere(const JobPtr& job,
                                                              const RequestTerms& terms) {
  const bool is_work = job->embedder() == nullptr;  // How long it takes nobody knows.
  const bool expired = terms.deadline && *terms.deadline <= job->submitted;
  if (is_work || expired || job->TextBytes() > kMostBytesHere) return std::nullopt;
  Lock lock(mutex_);
  if (stopping_ || here_ || queue_.num_requests() > 0 || !shares_.IsQuiet()) return std::nullopt;
  here_ = true;
  const Ticket ticket = next_ticket_++;
  const int threads = shares_.Take(false);
  const engine::SchedulerSpeed speed = speed_;
  lock.unlock();
  engine::Rouse(*job->embedder(), job->EstimateTokens(), threads);
  double flops = 0;
  bool is_tokenized = false;
  bool too_much = false;
  std::vector<Member> members;
  engine::BatchResult result;
  result.status = AtTheDoor("cannot compute", {}, [&]() -> Status {
    AKIN_TRY(job->Tokenize());
    const std::optional<double> needed = engine::FlopsOf(*job->call());
    too_much = !needed || !speed.IsShortHere(*needed);
    flops = needed.value_or(0);
    for (uint32_t i = 0; i < job->equal().size(); ++i) members.push_back({job, {ticket, i}});
    is_tokenized = true;
    return {};
  });
  job->first_batch = Clock::now();
  if (is_tokenized && !too_much) result = engine::ComputeInGroups(members, threads);
  job->finished = Clock::now();
  lock.lock();
  here_ = false;
  shares_.GiveBack(threads);
  WakeOne();
  if (too_much) speed_.PassedBy();
  if (too_much) return std::nullopt;
  shares_.Arrived(0);
  ++counts_.accepted;
  ++(result.status ? counts_.completed : counts_.failed);
  if (result.status) {
    CountDuplicates(*job);
    CountBatch(members.size(), result, threads);
    speed_.AddHere(flops, job->finished - job->first_batch);
  }
  lock.unlock();
  result.status ? job->Succeed() : job->Fail(result.status.error());
  return ticket;
}

Result<Scheduler::Ticket> Scheduler::Impl::Queue(const JobPtr& job, const RequestTerms& terms) {
  const auto tokens = static_cast<int32_t>(std::min<size_t>(job->EstimateTokens(), INT32_MAX));
  // What was too much to be computed at once is tokenized already.
  std::vector<batching::QueuedSequence> sequences;
  if (job->call() != nullptr) sequences = job->Sequences();
  const bool is_work = job->embedder() == nullptr;
  if (is_work) sequences.resize(1);
  const std::lock_guard lock(mutex_);
  if (stopping_) return Stopped();
  shares_.Arrived(queue_.num_requests() + (here_ ? 1 : 0));
  const Ticket ticket = next_ticket_++;
  // What takes memory comes first: a worker finds the job of whatever is in the queue.
  const auto entry = jobs_.emplace(ticket, job).first;
  const Status admitted = AtTheDoor("cannot queue the request", {}, [&]() -> Status {
    batching::QueuedRequest queued{.id = ticket,
                                   .priority = QueuePriorityOf(terms.priority),
                                   .client = terms.client,
                                   .deadline = terms.deadline,
                                   .estimated_tokens = static_cast<size_t>(tokens),
                                   .bytes = job->HeldBytes()};
    if (const auto bound = queue_.FullFor(queued)) return RefusedFor(*bound, terms.client);
    (void)queue_.Admit(std::move(queued));  // Has room.
    return {};
  });
  if (!admitted) {
    jobs_.erase(entry);
    return admitted.error();
  }
  if (job->call() != nullptr) CountDuplicates(*job);
  // Work that is no text is never joined: its ticket, which no model's group can be, is its
  // group.
  if (is_work) sequences[0] = {.length = tokens, .group = ticket};
  if (!sequences.empty()) queue_.SetSequences(ticket, std::move(sequences));
  ++counts_.accepted;
  WakeOne();
  // No thread is free to compute, but one that sleeps can tell those that have waited too long.
  if (sleeping_ > 0 && shares_.free() == 0 && queue_.HasExpired(job->submitted)) wake_.notify_one();
  return ticket;
}

Error Scheduler::Impl::RefusedFor(batching::QueueBound bound, const std::string& client) {
  int64_t& count = [&]() -> int64_t& {
    switch (bound) {
      case batching::QueueBound::kRequests: return counts_.refused_for_requests;
      case batching::QueueBound::kTokens: return counts_.refused_for_tokens;
      case batching::QueueBound::kBytes: break;
    }
    return counts_.refused_for_bytes;
  }();
  ++counts_.refused;
  ++count;
  const auto own = queue_.shares().HeldBy(client);
  return MakeError(ErrorCode::kOverloaded, "the queue is full: ", queue_.num_requests(),
                   " requests with ", queue_.held_bytes(), " bytes of texts, ",
                   queue_.waiting_tokens(), " tokens wait; of this client ", own.requests,
                   " requests, ", own.bytes, " bytes, ", own.tokens, " tokens")
      .Of(OptionOf(bound));
}

void Scheduler::Impl::Cancel(Ticket ticket) {
  JobPtr job;
  {
    const std::lock_guard lock(mutex_);
    job = TakeJob(ticket);
    if (job == nullptr) return;
    queue_.Remove(ticket);
    EndUnwantedBatches();
    ++counts_.cancelled;
  }
  job->Fail(Error(ErrorCode::kCancelled, "the request was cancelled"));
}

JobPtr Scheduler::Impl::TakeJob(Ticket ticket) {
  const auto it = jobs_.find(ticket);
  if (it == jobs_.end()) return nullptr;
  JobPtr job = std::move(it->second);
  jobs_.erase(it);
  return job;
}

void Scheduler::Impl::WakeOne() {
  if (sleeping_ > 0 && shares_.free() > 0 && queue_.has_work()) wake_.notify_one();
}

void Scheduler::Impl::EndUnwantedBatches() {
  for (RunningBatch& batch : running_) {
    const bool is_wanted = std::ranges::any_of(
        batch.members, [&](const Member& member) { return jobs_.contains(member.pick.request); });
    if (!is_wanted) batch.left.request_stop();
  }
}

void Scheduler::Impl::CountDuplicates(engine::Job& job) {
  counts_.duplicates += static_cast<int64_t>(job.call()->sequences().size() - job.equal().size());
}

void Scheduler::Impl::CountBatch(size_t sequences, const engine::BatchResult& result, int threads) {
  ++counts_.batches;
  ++counts_.batches_by_sequences[PowerOfTwoBucket(sequences, counts_.batches_by_sequences.size())];
  ++counts_.batches_by_tokens[PowerOfTwoBucket(result.tokens, counts_.batches_by_tokens.size())];
  counts_.batch_sequences += static_cast<int64_t>(sequences);
  counts_.batch_tokens += static_cast<int64_t>(result.tokens);
  speed_.AddBatch(result.tokens, threads, result.elapsed);
}

SchedulerLoad Scheduler::Impl::Load() const {
  const std::lock_guard lock(mutex_);
  const auto waiting_tokens = static_cast<int64_t>(queue_.waiting_tokens());
  return {.requests = static_cast<int64_t>(queue_.num_requests()) + (here_ ? 1 : 0),
          .waiting_tokens = waiting_tokens,
          .bytes = static_cast<int64_t>(queue_.held_bytes()),
          .tokens_per_second = speed_.tokens_per_second() * num_threads_,
          .retry_after_seconds = speed_.SecondsFor(waiting_tokens, num_threads_)};
}

ClientLoad Scheduler::Impl::LoadOf(const std::string& client,
                                   std::optional<Priority> priority) const {
  const std::lock_guard lock(mutex_);
  const batching::ClientShares& shares = queue_.shares();
  const auto own = shares.HeldBy(client);
  const auto full = shares.FullFor(client, 1, 1);
  const auto tokens =
      static_cast<int64_t>(priority ? shares.TokensUntilServed(client, QueuePriorityOf(*priority))
                                    : shares.TokensUntilServed(client));
  return {.requests = static_cast<int64_t>(own.requests),
          .waiting_tokens = static_cast<int64_t>(own.tokens),
          .bytes = static_cast<int64_t>(own.bytes),
          .full = full ? OptionOf(*full) : "",
          .retry_after_seconds = speed_.SecondsFor(tokens, num_threads_)};
}

SchedulerCounts Scheduler::Impl::Counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace akin
