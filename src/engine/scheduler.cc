// The threads around batching::RequestQueue: it decides, they compute.
//
// One mutex guards the queue and the table of jobs; it is never held while a model computes or a
// caller is told. A job belongs to whoever takes it out of the table, and only that thread calls
// `done`: so it is called once, whatever meets (the last batch, a cancellation, a deadline).
#include "akin/scheduler.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/door.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "batching/request_queue.h"
#include "engine/joined_embed.h"

namespace akin {
namespace {

using batching::Pick;
using batching::Work;
using Clock = std::chrono::steady_clock;

// What a text may come to before it is tokenized: four bytes a token, as English has it.
constexpr size_t kBytesPerToken = 4;
// How much of the speed's estimate a batch replaces.
constexpr double kSpeedWeight = 0.1;

double Milliseconds(Clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

Error Expired() {
  return Error(ErrorCode::kDeadlineExceeded, "the deadline passed before the request was computed");
}

Error Stopped() { return Error(ErrorCode::kServiceUnavailable, "the server is stopping"); }

// A request on its way. Written by one worker at a time, but for `values`: each batch writes rows
// of its own.
struct Job {
  std::optional<EmbedRequest> embed;  // Either texts, and whom to give their vectors,
  Scheduler::Done done;
  std::function<void()> work;  // or any work, and whom to tell.
  std::function<void(Status)> work_done;
  std::vector<std::string_view> texts;  // The different ones,
  std::vector<uint32_t> text_of;        // and for each of the request's texts which one it is.
  engine::PreparedTexts prepared;
  std::vector<float> values;  // [texts, dimension]
  Clock::time_point submitted, tokenized, finished;
  double tokenize_ms = 0;
  std::atomic<int64_t> compute_ns{0};  // Of all its batches.
  Clock::time_point first_batch;       // Guarded by the scheduler's mutex.
  bool has_begun = false;              // Likewise.

  size_t dimension() const { return static_cast<size_t>(embed->embedder.Info().dimension); }

  void FindDuplicates() {
    std::unordered_map<std::string_view, uint32_t> index;
    for (const std::string& text : embed->texts) {
      const auto [it, is_new] = index.try_emplace(text, static_cast<uint32_t>(texts.size()));
      if (is_new) texts.push_back(text);
      text_of.push_back(it->second);
    }
  }

  size_t EstimateTokens() const {
    const size_t limit =
        static_cast<size_t>(embed->options.max_tokens.value_or(embed->embedder.Info().max_tokens));
    size_t tokens = 0;
    for (const std::string_view text : texts) {
      tokens += std::min(limit, text.size() / kBytesPerToken + 2);
    }
    return tokens;
  }

  Embeddings Answer() const {
    const size_t width = prepared.dimension, stride = dimension();
    std::vector<float> rows(text_of.size() * width);
    std::vector<int32_t> num_tokens, truncated;
    Usage usage;
    for (size_t i = 0; i < text_of.size(); ++i) {
      const auto row = std::span(values).subspan(text_of[i] * stride, width);
      std::ranges::copy(row, rows.begin() + static_cast<ptrdiff_t>(i * width));
      num_tokens.push_back(prepared.texts.lengths()[text_of[i]]);
      truncated.push_back(prepared.texts.truncated()[text_of[i]]);
      usage.total_tokens += num_tokens.back();
      usage.truncated_texts += truncated.back() > 0 ? 1 : 0;
      usage.truncated_tokens += truncated.back();
    }
    usage.duration_ms = Milliseconds(finished - submitted);
    usage.tokenize_ms = tokenize_ms;
    usage.compute_ms = static_cast<double>(compute_ns.load()) * 1e-6;
    usage.queue_ms = Milliseconds(first_batch - submitted) - tokenize_ms;
    return Embeddings(std::move(rows), width,
                      TextReport(std::move(num_tokens), std::move(truncated), usage));
  }

  void Fail(const Error& error) {
    if (work) return work_done(error);
    done(error);
  }
  void Succeed() {
    if (work) return work_done({});
    done(AtTheDoor("cannot embed", {}, [&]() -> Result<Embeddings> { return Answer(); }));
  }
};

using JobPtr = std::shared_ptr<Job>;

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

  Result<Ticket> Submit(JobPtr job, batching::QueuedRequest request) {
    job->submitted = Clock::now();
    const std::lock_guard lock(mutex_);
    if (stopping_) return Stopped();
    request.id = next_ticket_++;
    const Ticket ticket = request.id;
    const auto waiting = job->work
                             ? std::vector<int32_t>{static_cast<int32_t>(request.estimated_tokens)}
                             : std::vector<int32_t>{};
    if (!queue_.Admit(std::move(request))) {
      ++counts_.refused;
      return MakeError(ErrorCode::kOverloaded, "the queue is full: ", queue_.num_requests(),
                       " requests and ", queue_.waiting_tokens(), " tokens wait");
    }
    // Work that is no text is never joined: its ticket, which no model's group can be, is its
    // group.
    if (job->work) queue_.SetLengths(ticket, ticket, waiting);
    ++counts_.accepted;
    if (!job->work) {
      counts_.duplicates += static_cast<int64_t>(job->text_of.size() - job->texts.size());
    }
    jobs_.emplace(ticket, std::move(job));
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
    SchedulerLoad load{.requests = static_cast<int64_t>(queue_.num_requests()),
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
      if (sleeping_ > 0 && queue_.waiting_tokens() > 0) wake_.notify_one();
      switch (work.kind) {
        case Work::Kind::kNothing:
          ++sleeping_;
          wake_.wait(lock);
          --sleeping_;
          break;
        case Work::Kind::kTokenize: Tokenize(work.request, lock); break;
        case Work::Kind::kCompute: Compute(work.batch, lock); break;
      }
    }
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
    const auto start = Clock::now();
    const Status status = AtTheDoor("cannot tokenize", {}, [&]() -> Status {
      AKIN_TRY_ASSIGN(job->prepared,
                      engine::Prepare(job->embed->embedder, job->texts, job->embed->options));
      job->values.resize(job->texts.size() * job->dimension());
      return {};
    });
    job->tokenized = Clock::now();
    job->tokenize_ms = Milliseconds(job->tokenized - start);
    lock.lock();
    if (status) {
      const auto lengths = job->prepared.texts.lengths();
      queue_.SetLengths(ticket, job->prepared.group, {lengths.begin(), lengths.end()});
    } else {
      FailJob(ticket, InCallersWords(*job, status.error()), lock);
    }
  }

  // "text 3" of the different ones may be text 5 of the request.
  static Error InCallersWords(const Job& job, const Error& error) {
    if (job.texts.size() == job.text_of.size()) return error;
    constexpr std::string_view kText = "text ";
    const std::string& message = error.message();
    size_t index = 0;
    const char* const begin = message.data() + kText.size();
    const char* const end = message.data() + message.size();
    if (!message.starts_with(kText)) return error;
    const auto parsed = std::from_chars(begin, end, index);
    if (parsed.ec != std::errc() || index >= job.texts.size()) return error;
    const auto place = std::ranges::find(job.text_of, index) - job.text_of.begin();
    return MakeError(error.code(), kText, place, std::string_view(parsed.ptr, end));
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
    if (members[0].job->work) {
      members[0].job->work();
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
    return AtTheDoor("cannot embed", {}, [&]() -> Status {
      const auto start = Clock::now();
      std::vector<engine::JoinedText> texts;
      for (const Member& member : members) {
        texts.push_back({&member.job->prepared, member.pick.sequence});
        tokens += static_cast<size_t>(member.job->prepared.texts.lengths()[member.pick.sequence]);
      }
      const size_t width = members[0].job->dimension();
      std::vector<float> rows(members.size() * width);
      AKIN_TRY(engine::ComputeJoined(members[0].job->embed->embedder, texts, num_threads,
                                     {rows.data(), members.size(), width}));
      const auto elapsed =
          std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
      for (size_t i = 0; i < members.size(); ++i) {
        Job& job = *members[i].job;
        std::copy_n(rows.begin() + static_cast<ptrdiff_t>(i * width), width,
                    job.values.begin() + static_cast<ptrdiff_t>(members[i].pick.sequence * width));
        const bool first_of_job = i == 0 || members[i - 1].job != members[i].job;
        if (first_of_job) job.compute_ns += elapsed;
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

namespace {

batching::QueuePriority QueuePriorityOf(Priority priority) {
  return priority == Priority::kQuery ? batching::QueuePriority::kQuery
                                      : batching::QueuePriority::kBulk;
}

}  // namespace

Result<Scheduler::Ticket> Scheduler::Submit(EmbedRequest request, Done done) {
  if (request.texts.empty()) return InvalidInput("a request needs at least one text");
  return AtTheDoor("cannot queue the request", {}, [&]() -> Result<Ticket> {
    const auto job = std::make_shared<Job>();
    job->embed = std::move(request);
    job->done = std::move(done);
    job->FindDuplicates();
    return impl_->Submit(job, {.priority = QueuePriorityOf(job->embed->priority),
                               .client = job->embed->client,
                               .deadline = job->embed->deadline,
                               .num_sequences = job->texts.size(),
                               .estimated_tokens = job->EstimateTokens()});
  });
}

Result<Scheduler::Ticket> Scheduler::Submit(WorkRequest request, std::function<void(Status)> done) {
  return AtTheDoor("cannot queue the work", {}, [&]() -> Result<Ticket> {
    const auto job = std::make_shared<Job>();
    job->work = std::move(request.work);
    job->work_done = std::move(done);
    return impl_->Submit(job, {.priority = QueuePriorityOf(request.priority),
                               .client = std::move(request.client),
                               .deadline = request.deadline,
                               .num_sequences = 1,
                               .estimated_tokens = static_cast<size_t>(
                                   std::clamp<int64_t>(request.estimated_tokens, 1, 1 << 30))});
  });
}

void Scheduler::Stop() { impl_->Stop(); }
void Scheduler::Cancel(Ticket ticket) { impl_->Cancel(ticket); }
SchedulerLoad Scheduler::Load() const { return impl_->Load(); }
SchedulerCounts Scheduler::Counts() const { return impl_->Counts(); }
int Scheduler::num_threads() const { return impl_->num_threads(); }

}  // namespace akin
