// The threads around batching::RequestQueue: it decides, they compute.
//
// One mutex guards the queue and the table of jobs; it is never held while a model computes or a
// caller is told. A job belongs to whoever takes it out of the table, and only that thread calls
// `done`: so it is called once, whatever meets (the last batch, a cancellation, a deadline).
#include "akin/scheduler.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/door.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "batching/request_queue.h"
#include "engine/scheduler_job.h"

namespace akin {
namespace {

using batching::Pick;
using batching::Work;
using engine::Job;
using engine::JobPtr;
using Clock = Job::Clock;

// What a request may have to be computed on the thread that brings it: that thread has other things
// to do, such as serving connections, and must be back in some milliseconds on a slow machine, too.
constexpr size_t kMostBytesHere = 512;
constexpr double kMostFlopsHere = 1e9;
constexpr double kMostSecondsHere = 0.02;  // As fast as it has gone of late.

// How much of the pace's estimate such a request replaces, and from where on it is arithmetic that
// takes the time.
constexpr double kPaceWeight = 0.2;
constexpr double kLeastFlopsOfPace = 1e7;
// How much of the speed's estimate a batch replaces.
constexpr double kSpeedWeight = 0.1;

Error Expired() {
  return Error(ErrorCode::kDeadlineExceeded, "the deadline passed before the request was computed");
}

batching::QueuePriority QueuePriorityOf(Priority priority) {
  return priority == Priority::kQuery ? batching::QueuePriority::kQuery
                                      : batching::QueuePriority::kBulk;
}

Error Stopped() { return Error(ErrorCode::kServiceUnavailable, "the server is stopping"); }

}  // namespace

class Scheduler::Impl {
 public:
  Impl(const SchedulerOptions& options, int num_threads)
      : options_(options),
        queue_({.max_requests = static_cast<size_t>(options.max_requests),
                .max_tokens = static_cast<size_t>(options.max_tokens),
                .batch_tokens = static_cast<size_t>(options.batch_tokens)}),
        num_threads_(num_threads) {}

  // Throws std::system_error or std::bad_alloc; the destructor ends those that run.
  void StartThreads() {
    for (int i = 0; i < num_threads_; ++i) threads_.emplace_back([this] { WorkUntilStopped(); });
  }

  ~Impl() { Stop(); }

  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    std::unordered_map<Ticket, JobPtr> waiting;
    {
      const std::lock_guard lock(mutex_);
      waiting.swap(jobs_);
      for (const auto& [ticket, job] : waiting) queue_.Remove(ticket);
    }
    for (const auto& [ticket, job] : waiting) job->Fail(Stopped());
  }

  template <typename JobType, typename Request, typename Done>
  Result<Ticket> Queue(Request request, Done done) {
    return AtTheDoor("cannot queue the request", {}, [&]() -> Result<Ticket> {
      const RequestTerms terms = request.terms;
      const auto job = std::make_shared<JobType>(std::move(request), std::move(done));
      job->submitted = Clock::now();
      if (terms.may_compute_here) {
        if (const auto ticket = ComputeHere(job, terms)) return *ticket;
      }
      return Submit(job, terms);
    });
  }

  Result<Ticket> Submit(const JobPtr& job, const RequestTerms& terms) {
    const auto tokens = static_cast<int32_t>(std::min<size_t>(job->EstimateTokens(), INT32_MAX));
    const std::lock_guard lock(mutex_);
    if (stopping_) return Stopped();
    const Ticket ticket = next_ticket_++;
    if (!queue_.Admit({.id = ticket,
                       .priority = QueuePriorityOf(terms.priority),
                       .client = terms.client,
                       .deadline = terms.deadline,
                       .estimated_tokens = static_cast<size_t>(tokens)})) {
      ++counts_.refused;
      return MakeError(ErrorCode::kOverloaded, "the queue is full: ", queue_.num_requests(),
                       " requests and ", queue_.waiting_tokens(), " tokens wait");
    }
    // What was too much to be computed at once is tokenized already.
    if (job->call() != nullptr) {
      CountDuplicates(*job);
      queue_.SetLengths(ticket, engine::GroupOf(*job->call()), job->Lengths());
    }
    // Work that is no text is never joined: its ticket, which no model's group can be, is its
    // group.
    if (job->embedder() == nullptr) queue_.SetLengths(ticket, ticket, {tokens});
    ++counts_.accepted;
    jobs_.emplace(ticket, job);
    if (sleeping_ > 0) wake_.notify_one();
    return ticket;
  }

  void Cancel(Ticket ticket) {
    JobPtr job;
    {
      const std::lock_guard lock(mutex_);
      job = TakeJob(ticket);
      if (job == nullptr) return;
      queue_.Remove(ticket);
      ++counts_.cancelled;
    }
    job->Fail(Error(ErrorCode::kCancelled, "the request was cancelled"));
  }

  SchedulerLoad Load() const {
    const std::lock_guard lock(mutex_);
    SchedulerLoad load{.requests = static_cast<int64_t>(queue_.num_requests()) + (here_ ? 1 : 0),
                       .waiting_tokens = static_cast<int64_t>(queue_.waiting_tokens()),
                       .tokens_per_second = tokens_per_second_ * num_threads_};
    if (load.tokens_per_second > 0) {
      const double seconds = static_cast<double>(load.waiting_tokens) / load.tokens_per_second;
      load.retry_after_seconds = std::max(1, static_cast<int>(std::ceil(std::min(seconds, 3600.))));
    }
    return load;
  }

  SchedulerCounts Counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

  int num_threads() const { return num_threads_; }

 private:
  // What a worker does without the lock, and whom it tells.
  struct Member {
    JobPtr job;
    Pick pick;
  };

  void WorkUntilStopped() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      DropExpired(lock);
      const Work work = queue_.Next(static_cast<size_t>(sleeping_) + 1);
      // The queue may hold enough for one more; it goes on waking others in its turn.
      if (sleeping_ > 0 && queue_.has_work()) wake_.notify_one();
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

  // A short request to a scheduler that has nothing to do. Nothing: it is to be queued.
  std::optional<Ticket> ComputeHere(const JobPtr& job, const RequestTerms& terms) {
    const bool expired = terms.deadline && *terms.deadline <= job->submitted;
    if (expired || job->TextBytes() > kMostBytesHere) return std::nullopt;
    std::unique_lock lock(mutex_);
    if (stopping_ || here_ || queue_.num_requests() > 0) return std::nullopt;
    here_ = true;
    const Ticket ticket = next_ticket_++;
    const double pace = seconds_per_flop_here_;
    lock.unlock();
    size_t tokens = 0;
    double spent_flops = 0;
    bool too_much = false;
    const Status status = AtTheDoor("cannot compute", {}, [&]() -> Status {
      AKIN_TRY(job->Tokenize());
      const std::optional<double> flops = engine::FlopsOf(*job->call());
      too_much = !flops || *flops > kMostFlopsHere || *flops * pace > kMostSecondsHere;
      if (too_much) return {};
      spent_flops = *flops;
      std::vector<Member> members;
      for (uint32_t i = 0; i < job->equal().size(); ++i) members.push_back({job, {ticket, i}});
      job->first_batch = Clock::now();
      return ComputeMembers(members, num_threads_, tokens);
    });
    job->finished = Clock::now();
    lock.lock();
    here_ = false;
    // A pace that was too slow is forgotten bit by bit, and tried again.
    if (too_much) seconds_per_flop_here_ *= 1 - kPaceWeight;
    if (too_much) return std::nullopt;
    ++counts_.accepted;
    ++(status ? counts_.completed : counts_.failed);
    if (status) {
      CountDuplicates(*job);
      const auto elapsed = job->finished - job->first_batch;
      CountBatch(job->equal().size(), tokens, elapsed);
      if (spent_flops >= kLeastFlopsOfPace) {
        const double now = std::chrono::duration<double>(elapsed).count() / spent_flops;
        seconds_per_flop_here_ += kPaceWeight * (now - seconds_per_flop_here_);
      }
    }
    lock.unlock();
    status ? job->Succeed() : job->Fail(status.error());
    return ticket;
  }

  // Whoever takes a job calls `done`. Null: somebody else has.
  JobPtr TakeJob(Ticket ticket) {
    const auto it = jobs_.find(ticket);
    if (it == jobs_.end()) return nullptr;
    JobPtr job = std::move(it->second);
    jobs_.erase(it);
    return job;
  }

  void DropExpired(std::unique_lock<std::mutex>& lock) {
    std::vector<JobPtr> expired;
    for (const Ticket ticket : queue_.TakeExpired(Clock::now())) {
      if (JobPtr job = TakeJob(ticket)) expired.push_back(std::move(job));
    }
    if (expired.empty()) return;
    counts_.expired += static_cast<int64_t>(expired.size());
    lock.unlock();
    for (const JobPtr& job : expired) job->Fail(Expired());
    lock.lock();
  }

  void Tokenize(Ticket ticket, std::unique_lock<std::mutex>& lock) {
    const JobPtr job = jobs_.at(ticket);
    lock.unlock();
    std::vector<int32_t> lengths;
    const Status status = AtTheDoor("cannot tokenize", {}, [&]() -> Status {
      AKIN_TRY(job->Tokenize());
      lengths = job->Lengths();
      return {};
    });
    lock.lock();
    if (!status) return FailJob(ticket, status.error(), lock);
    CountDuplicates(*job);
    queue_.SetLengths(ticket, engine::GroupOf(*job->call()), std::move(lengths));
  }

  void FailJob(Ticket ticket, const Error& error, std::unique_lock<std::mutex>& lock) {
    queue_.Remove(ticket);
    const JobPtr job = TakeJob(ticket);
    if (job == nullptr) return;
    ++counts_.failed;
    lock.unlock();
    job->Fail(error);
    lock.lock();
  }

  void Compute(const std::vector<Pick>& batch, std::unique_lock<std::mutex>& lock) {
    std::vector<Member> members;
    const auto now = Clock::now();
    for (const Pick& pick : batch) {
      const auto it = jobs_.find(pick.request);
      if (it == jobs_.end()) continue;
      members.push_back({it->second, pick});
      if (!it->second->has_begun) it->second->first_batch = now;
      it->second->has_begun = true;
    }
    if (members.empty()) return;
    // With nobody else at work and nothing that waits, all threads share the batch.
    const bool alone = sleeping_ + 1 == num_threads_ && queue_.waiting_tokens() == 0;
    lock.unlock();
    if (members[0].job->call() == nullptr) {
      members[0].job->Work();
      lock.lock();
      return FinishMembers(members, lock);
    }
    std::vector<std::pair<Ticket, Error>> failed;
    size_t tokens = 0;
    const Status status = ComputeMembers(members, alone ? num_threads_ : 1, tokens);
    if (!status) ComputeApart(members, failed);
    const auto elapsed = Clock::now() - now;
    lock.lock();
    CountBatch(members.size(), tokens, elapsed);
    for (const auto& [ticket, error] : failed) FailJob(ticket, error, lock);
    FinishMembers(members, lock);
  }

  void CountDuplicates(Job& job) {
    counts_.duplicates += static_cast<int64_t>(job.call()->sequences().size() - job.equal().size());
  }

  void CountBatch(size_t sequences, size_t tokens, Clock::duration elapsed) {
    ++counts_.batches;
    counts_.batch_sequences += static_cast<int64_t>(sequences);
    counts_.batch_tokens += static_cast<int64_t>(tokens);
    const double seconds = std::max(1e-6, std::chrono::duration<double>(elapsed).count());
    const double speed = static_cast<double>(tokens) / seconds;
    tokens_per_second_ = tokens_per_second_ == 0
                             ? speed
                             : (1 - kSpeedWeight) * tokens_per_second_ + kSpeedWeight * speed;
  }

  static Status ComputeMembers(std::span<const Member> members, int num_threads, size_t& tokens) {
    return AtTheDoor("cannot compute", {}, [&]() -> Status {
      const auto start = Clock::now();
      std::vector<engine::JoinedSequences> joined;
      for (const Member& member : members) {
        Job& job = *member.job;
        joined.push_back({job.call(), job.equal()[member.pick.sequence]});
        tokens +=
            static_cast<size_t>(job.call()->sequences().lengths()[joined.back().sequences[0]]);
      }
      AKIN_TRY(engine::ComputeJoined(joined, num_threads));
      const auto elapsed =
          std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
      for (size_t i = 0; i < members.size(); ++i) {
        const bool first_of_job = i == 0 || members[i - 1].job != members[i].job;
        if (first_of_job) members[i].job->compute_ns += elapsed;
      }
      return {};
    });
  }

  // A batch that fails costs those their answer whose texts fail alone, and nobody else.
  static void ComputeApart(std::span<const Member> members,
                           std::vector<std::pair<Ticket, Error>>& failed) {
    size_t tokens = 0;
    for (const Member& member : members) {
      const Status status = ComputeMembers({&member, 1}, 1, tokens);
      if (!status) failed.emplace_back(member.pick.request, status.error());
    }
  }

  void FinishMembers(std::span<const Member> members, std::unique_lock<std::mutex>& lock) {
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

  const SchedulerOptions options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable wake_;
  batching::RequestQueue queue_;
  std::unordered_map<Ticket, JobPtr> jobs_;
  Ticket next_ticket_ = 1;
  int sleeping_ = 0;
  double seconds_per_flop_here_ = 0;
  bool here_ = false;  // A request is being computed by the thread that brought it.
  bool stopping_ = false;
  double tokens_per_second_ = 0;  // Of one worker.
  SchedulerCounts counts_;
  const int num_threads_;
  std::vector<std::thread> threads_;
};

Scheduler::Scheduler(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Scheduler::~Scheduler() = default;

Result<std::unique_ptr<Scheduler>> Scheduler::Start(const SchedulerOptions& options) {
  if (options.batch_tokens < 1 || options.max_requests < 1 || options.max_tokens < 1) {
    return InvalidInput("scheduler: batch_tokens ", options.batch_tokens, ", max_requests ",
                        options.max_requests, " and max_tokens ", options.max_tokens,
                        " must be at least 1");
  }
  int num_threads = options.num_threads;
  if (num_threads == 0) {
    AKIN_TRY_ASSIGN(const UsableThreads usable, CountUsableThreads());
    num_threads = usable.count;
  }
  if (num_threads < 1 || num_threads > kMaxThreads) {
    return InvalidInput("scheduler: num_threads is ", num_threads, ", expected 1 to ", kMaxThreads);
  }
  return AtTheDoor("cannot start the scheduler", {}, [&]() -> Result<std::unique_ptr<Scheduler>> {
    auto impl = std::make_unique<Impl>(options, num_threads);
    impl->StartThreads();
    return std::unique_ptr<Scheduler>(new Scheduler(std::move(impl)));
  });
}

Result<Scheduler::Ticket> Scheduler::Submit(EmbedRequest request, Done<AllEmbeddings> done) {
  if (request.texts.empty()) return InvalidInput("a request needs at least one text");
  return impl_->Queue<engine::CallJob<EmbedRequest, engine::EmbedCall, AllEmbeddings>>(
      std::move(request), std::move(done));
}

Result<Scheduler::Ticket> Scheduler::Submit(ScoreRequest request, Done<Scores> done) {
  if (request.inputs.empty()) return InvalidInput("a request needs at least one text");
  return impl_->Queue<engine::CallJob<ScoreRequest, engine::ScoreCall, Scores>>(std::move(request),
                                                                                std::move(done));
}

Result<Scheduler::Ticket> Scheduler::Submit(RerankRequest request, Done<Scores> done) {
  if (request.documents.empty()) return InvalidInput("a request needs at least one document");
  return impl_->Queue<engine::CallJob<RerankRequest, engine::ScoreCall, Scores>>(std::move(request),
                                                                                 std::move(done));
}

Result<Scheduler::Ticket> Scheduler::Submit(WorkRequest request, Done<void> done) {
  return impl_->Queue<engine::WorkJob>(std::move(request), std::move(done));
}

void Scheduler::Stop() { impl_->Stop(); }
void Scheduler::Cancel(Ticket ticket) { impl_->Cancel(ticket); }
SchedulerLoad Scheduler::Load() const { return impl_->Load(); }
SchedulerCounts Scheduler::Counts() const { return impl_->Counts(); }
int Scheduler::num_threads() const { return impl_->num_threads(); }

}  // namespace akin
