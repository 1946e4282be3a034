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
  virtual size_t TextBytes() const = 0;
  // The work of a job that has no call.
  virtual void Work() {}
  // Either one, once: tells the caller.
  virtual void Succeed() = 0;
  virtual void Fail(const Error& error) = 0;

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

 protected:
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
  int64_t NumTokens() {
    const auto& lengths = call()->sequences().lengths();
    return std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  }

  EqualSequences equal_;
  Clock::duration tokenize_time_{};
};

using JobPtr = std::shared_ptr<Job>;

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
  void Succeed() override {
    done_(AtTheDoor("cannot make the answer", {}, [&] { return call_->Finish(Spent()); }));
  }
  void Fail(const Error& error) override { done_(error); }

 private:
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
  void Work() override { request_.work(); }
  void Succeed() override { done_({}); }
  void Fail(const Error& error) override { done_(error); }

 private:
  const WorkRequest request_;
  const Scheduler::Done<void> done_;
};

}  // namespace akin::engine
