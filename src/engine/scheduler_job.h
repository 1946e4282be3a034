// A request on its way through a Scheduler.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "akin/scheduler.h"

#include "base/door.h"
#include "batching/request_queue.h"
#include "engine/equal_sequences.h"
#include "engine/joined_calls.h"

namespace akin::engine {

// Written by one worker at a time, but for the rows that a call takes: each batch brings those of
// sequences of its own.
class Job {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Job() = default;

  // Makes the call of the request's texts. Work that is no text has none.
  virtual Status Read() = 0;
  virtual Call* call() = 0;
  virtual const Embedder* embedder() const = 0;
  virtual size_t EstimateTokens() const = 0;
  virtual size_t TextBytes() const = 0;  // To be read.
  virtual size_t HeldBytes() const = 0;  // That its texts take.
  // The work of a job that has no call. Errors: what it throws.
  Status Work() noexcept {
    return AtTheDoor("cannot do the work", {}, [&]() -> Status {
      DoWork();
      return {};
    });
  }
  // Either one, once: tells the caller. What the callback throws is lost: it would end the thread,
  // and with it the program. Whoever waits learns that the callback has gone.
  void Succeed() noexcept {
    WithoutExceptions([&] { TellAnswer(); });
  }
  void Fail(const Error& error) noexcept {
    WithoutExceptions([&] { TellError(error); });
  }

  // Read, with the time it takes.
  Status Tokenize() {
    const auto start = Clock::now();
    AKIN_TRY(Read());
    if (begin) AKIN_TRY(begin(NumTokens()));
    equal_ =
        EqualSequences(call()->sequences(), [&](uint32_t i) { return &call()->ComputerOf(i); });
    tokenize_time_ = Clock::now() - start;
    return {};
  }
  // The sequences that are to be computed, each for its equals.
  const EqualSequences& equal() const { return equal_; }
  // Their lengths, and what each may be computed together with.
  std::vector<batching::QueuedSequence> Sequences() {
    std::vector<batching::QueuedSequence> sequences;
    sequences.reserve(equal_.size());
    for (size_t i = 0; i < equal_.size(); ++i) {
      const uint32_t first = equal_[i][0];
      sequences.push_back(
          {.length = call()->sequences().lengths()[first], .group = GroupOf(*call(), first)});
    }
    return sequences;
  }

  std::function<Status(int64_t tokens)> begin;  // Of the request's terms.
  Clock::time_point submitted, finished;
  std::optional<Clock::time_point> deadline;
  Clock::time_point first_batch;  // Guarded by the scheduler's mutex.
  bool has_begun = false;         // Likewise.
  std::shared_ptr<Job> next;      // Of several that one thread has taken, and is to tell.

 protected:
  virtual void DoWork() {}
  virtual void TellAnswer() = 0;
  virtual void TellError(const Error& error) = 0;
  // The stages are parts of the whole: several threads may compute batches of one job at once, and
  // their times together would be more than it.
  Usage Spent() const {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    return {.duration_ms = Milliseconds(finished - submitted).count(),
            .tokenize_ms = Milliseconds(tokenize_time_).count(),
            .compute_ms = Milliseconds(finished - first_batch).count(),
            .queue_ms = Milliseconds(first_batch - submitted - tokenize_time_).count()};
  }

 private:
  template <typename Body>
  static void WithoutExceptions(Body body) noexcept {
    try {
      body();
    } catch (...) {  // Memory that ran out, mostly.
    }
  }
  int64_t NumTokens() {
    const auto& lengths = call()->sequences().lengths();
    return std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  }

  EqualSequences equal_;
  Clock::duration tokenize_time_{};
};

using JobPtr = std::shared_ptr<Job>;

// Jobs in their order, in memory of their own.
class JobChain {
 public:
  void Add(JobPtr job) noexcept {
    JobPtr& end = last_ == nullptr ? first_ : last_->next;
    last_ = job.get();
    end = std::move(job);
    ++size_;
  }
  JobPtr Take() noexcept {
    JobPtr job = std::move(first_);
    if (job != nullptr) first_ = std::move(job->next);
    if (first_ == nullptr) last_ = nullptr;
    return job;
  }
  int64_t size() const { return size_; }  // That were added.

 private:
  JobPtr first_;
  Job* last_ = nullptr;
  int64_t size_ = 0;
};

// A call of an embedder: Request is read into a CallType, which ends in an Answer.
template <typename Request, typename CallType, typename Answer>
class CallJob final : public Job {
 public:
  CallJob(Request request, Scheduler::Done<Answer> done)
      : request_(std::move(request)), done_(std::move(done)) {}

  Status Read() override {
    AKIN_TRY_ASSIGN(call_, ReadCall(request_));
    return {};
  }
  Call* call() override { return call_.get(); }
  const Embedder* embedder() const override { return &request_.embedder; }
  size_t EstimateTokens() const override { return engine::EstimateTokens(request_); }
  size_t TextBytes() const override { return engine::TextBytes(request_); }
  size_t HeldBytes() const override { return engine::HeldBytes(request_); }

 private:
  void TellAnswer() override {
    done_(AtTheDoor("cannot make the answer", {}, [&] { return call_->Finish(Spent()); }));
  }
  void TellError(const Error& error) override { done_(error); }

  const Request request_;
  const Scheduler::Done<Answer> done_;
  std::unique_ptr<CallType> call_;
};

class WorkJob final : public Job {
 public:
  WorkJob(WorkRequest request, Scheduler::Done<void> done)
      : request_(std::move(request)), done_(std::move(done)) {}

  Status Read() override { return {}; }
  Call* call() override { return nullptr; }
  const Embedder* embedder() const override { return nullptr; }
  size_t EstimateTokens() const override {
    return static_cast<size_t>(std::clamp<int64_t>(request_.estimated_tokens, 1, 1 << 30));
  }
  size_t TextBytes() const override { return 0; }
  size_t HeldBytes() const override {
    return static_cast<size_t>(std::max<int64_t>(request_.bytes, 0));
  }

 private:
  void DoWork() override { request_.work(); }
  void TellAnswer() override { done_({}); }
  void TellError(const Error& error) override { done_(error); }

  const WorkRequest request_;
  const Scheduler::Done<void> done_;
};

}  // namespace akin::engine
