// Unary calls and streams over one asynchronous operation: a message in, a message or a status out.
//
// The operation calls `done` exactly once, on any thread; the reactor lives until gRPC has called
// OnDone, which it does after Finish and after the last other reaction.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/answer_budget.h"
#include "server/exchange.h"
#include "server/grpc/call_record.h"
#include "server/grpc/request_traits.h"
#include "server/grpc/write_watch.h"
#include "server/metrics/request_tally.h"

namespace akin::server {

constexpr int kMaxMessageBytes = 4 << 20;  // That a client may send.

// What an operation knows of its caller.
struct CallInfo {
  std::string client;
  std::chrono::steady_clock::time_point deadline;
  std::shared_ptr<Departure> departure;  // Of the caller: cancelled, or gone.
  std::shared_ptr<CallRecord> record;
  AnswerBudget::SharePtr share;  // Of the answer that is to be made; never null.
  AnswerBudget* budget = nullptr;
  RequestTallyPtr
      tally;  // Of a message, or of several that are answered as one; null where no model is asked.
  Metrics* metrics = nullptr;
  grpc::CallbackServerContext* context = nullptr;
  WriteWatch* writes = nullptr;
};

template <typename Response>
using CallDone = std::function<void(grpc::Status, Response)>;
// The first answer counts: work goes on when its call has been cancelled, which has then been
// answered and may be gone.
template <typename Response>
CallDone<Response> Once(CallDone<Response> done) {
  return [answered = std::make_shared<std::atomic<bool>>(false), done = std::move(done)](
             grpc::Status status, Response response) {
    if (!answered->exchange(true)) done(std::move(status), std::move(response));
  };
}
template <typename Request, typename Response>
using Operation = std::function<void(const CallInfo&, const Request&, CallDone<Response>)>;

// Counts how a request ends, unless whoever refused it has done so with more words than a status
// has.
void CountEnd(RequestTally& tally, const AnswerBudget::Share& share, const grpc::Status& status);

// What an answer takes, as it is and as it is written, is known when it is made; so is how its
// request has ended.
template <typename Response>
void Settle(const RequestTallyPtr& tally, AnswerBudget::Share& share, const grpc::Status& status,
            const Response& answer) {
  const size_t bytes = status.ok() ? answer.SpaceUsedLong() + answer.ByteSizeLong() : 0;
  share.Settle(static_cast<int64_t>(bytes));
  if (tally != nullptr) CountEnd(*tally, share, status);
}

template <typename Request, typename Response>
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(CallInfo info, const Request& request, Response* response,
            const Operation<Request, Response>& operation)
      : info_(std::move(info)) {
    operation(info_, request, [this, response](const grpc::Status& status, Response answer) {
      Settle(info_.tally, *info_.share, status, answer);
      *response = std::move(answer);
      info_.record->End(status);
      info_.writes->Begin(info_.context);
      Finish(status);
    });
  }
  void OnCancel() override { info_.departure->Leave(); }
  void OnDone() override {
    info_.writes->End(info_.context);
    delete this;
  }

 private:
  const CallInfo info_;
};

// Ends a call that is refused.
class RefusedCall final : public grpc::ServerUnaryReactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

// Messages are worked on as they come, and answered in their order. No more are read while
// kMaxInFlight of them or kMaxHeldBytes of answers wait. The first one that fails ends the stream
// with its status.
template <typename Request, typename Response>
class StreamCall final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  static constexpr size_t kMaxInFlight = 256;
  static constexpr int64_t kMaxHeldBytes = int64_t{16} << 20;

  StreamCall(CallInfo info, Operation<Request, Response> operation)
      : info_(std::move(info)), operation_(std::move(operation)) {
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    std::shared_ptr<Slot> slot;
    {
      const std::lock_guard lock(mutex_);
      if (!ok) {
        all_read_ = true;
        return Advance();
      }
      slot =
          std::make_shared<Slot>(std::make_shared<AnswerBudget::Share>(*info_.budget, info_.client),
                                 std::make_shared<RequestTally>(*info_.metrics));
      slots_.push_back(slot);
    }
    auto done = [this, slot](grpc::Status status, Response response) {
      Settle(slot->tally, *slot->share, status, response);
      const std::lock_guard lock(mutex_);
      slot->status = std::move(status);
      slot->response = std::move(response);
      slot->done = true;
      Count(*slot);
      Advance();
    };
    if (IsUnreadable(request_)) {
      done(UnreadableStatus<Request>(), {});
    } else {
      CallInfo info = info_;
      info.share = slot->share;
      info.tally = slot->tally;
      operation_(info, request_, std::move(done));
    }
    const std::lock_guard lock(mutex_);
    if (finished_ || failed_) return;
    Count(*slot);
    if (HasRoom()) {
      this->StartRead(&request_);
    } else {
      paused_ = true;
    }
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    info_.writes->End(info_.context);
    writing_ = false;
    slots_.front()->is_written = true;
    held_bytes_ -= slots_.front()->counted_bytes;
    slots_.pop_front();
    if (!ok) failed_ = true;
    if (paused_ && !failed_ && HasRoom()) {
      paused_ = false;
      this->StartRead(&request_);
    }
    Advance();
  }

  void OnCancel() override { info_.departure->Leave(); }
  void OnDone() override {
    info_.writes->End(info_.context);
    delete this;
  }

 private:
  struct Slot {
    Slot(AnswerBudget::SharePtr share_of_answer, RequestTallyPtr tally_of_message)
        : share(std::move(share_of_answer)), tally(std::move(tally_of_message)) {}

    const AnswerBudget::SharePtr share;
    const RequestTallyPtr tally;
    bool done = false, is_written = false;
    int64_t counted_bytes = 0;  // In `held_bytes_`.
    grpc::Status status;
    Response response;
  };

  // With the mutex held. What the answer is expected to take, once it is asked for, and what it
  // takes, once it is there.
  void Count(Slot& slot) {
    if (slot.is_written) return;
    const int64_t bytes = slot.share->bytes();
    held_bytes_ += bytes - slot.counted_bytes;
    slot.counted_bytes = bytes;
  }
  // With the mutex held. For the answer to another message.
  bool HasRoom() const { return slots_.size() < kMaxInFlight && held_bytes_ < kMaxHeldBytes; }
  // With the mutex held. Writes what is next, or ends the stream. It ends only when no operation is
  // under way: each holds on to this reactor.
  void Advance() {
    if (finished_ || writing_) return;
    if (failed_ || (!slots_.empty() && slots_.front()->done && !slots_.front()->status.ok())) {
      if (!failed_) final_status_ = slots_.front()->status;
      failed_ = true;
      for (const auto& slot : slots_) {
        if (!slot->done) return;
      }
      return End();
    }
    if (!slots_.empty() && slots_.front()->done) {
      writing_ = true;
      info_.writes->Begin(info_.context);
      this->StartWrite(&slots_.front()->response);
    } else if (slots_.empty() && all_read_) {
      End();
    }
  }
  void End() {
    finished_ = true;
    info_.record->End(final_status_);
    info_.writes->Begin(info_.context);
    this->Finish(final_status_);
  }

  const CallInfo info_;
  const Operation<Request, Response> operation_;
  Request request_;
  std::mutex mutex_;  // Guards what follows.
  std::deque<std::shared_ptr<Slot>> slots_;
  int64_t held_bytes_ = 0;  // By the answers of `slots_`.
  bool all_read_ = false, writing_ = false, paused_ = false, failed_ = false, finished_ = false;
  grpc::Status final_status_;
};

// A stream of messages that are answered as one, when the last has come: at most `most` of them,
// and as many bytes as a message may have.
template <typename Request, typename Response>
class GatherCall final : public grpc::ServerReadReactor<Request> {
 public:
  GatherCall(CallInfo info, size_t most, Response* response,
             Operation<std::vector<Request>, Response> operation)
      : info_(std::move(info)), most_(most), response_(response), operation_(std::move(operation)) {
    info_.tally->Begin(true);  // However few they are.
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (ok && requests_.size() == most_) {
      info_.tally->Fail(FailureKind(Problem::kTooManyTexts));
      return End({grpc::StatusCode::INVALID_ARGUMENT,
                  "a stream has at most " + std::to_string(most_) + " messages"});
    }
    if (ok && IsUnreadable(request_)) return End(UnreadableStatus<Request>());
    bytes_ += ok ? request_.ByteSizeLong() : 0;
    if (bytes_ > static_cast<size_t>(kMaxMessageBytes)) {
      // Not for lack of room, whatever the status: the client's own are too many.
      info_.tally->Fail(FailureKind(Problem::kTooManyTexts));
      return End({grpc::StatusCode::RESOURCE_EXHAUSTED, "the messages of a stream have at most " +
                                                            std::to_string(kMaxMessageBytes) +
                                                            " bytes together"});
    }
    if (ok) {
      requests_.push_back(std::move(request_));
      return this->StartRead(&request_);
    }
    operation_(info_, requests_, [this](const grpc::Status& status, Response answer) {
      Settle(info_.tally, *info_.share, status, answer);
      *response_ = std::move(answer);
      End(status);
    });
  }

  void OnCancel() override { info_.departure->Leave(); }
  void OnDone() override {
    info_.writes->End(info_.context);
    delete this;
  }

 private:
  void End(const grpc::Status& status) {
    CountEnd(*info_.tally, *info_.share, status);
    info_.record->End(status);
    info_.writes->Begin(info_.context);
    this->Finish(status);
  }

  const CallInfo info_;
  const size_t most_;
  Response* const response_;
  const Operation<std::vector<Request>, Response> operation_;
  Request request_;
  std::vector<Request> requests_;
  size_t bytes_ = 0;  // Of `requests_`.
};

// Ends such a stream that is refused.
template <typename Request>
class RefusedGather final : public grpc::ServerReadReactor<Request> {
 public:
  explicit RefusedGather(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

// Ends a stream that is refused.
template <typename Request, typename Response>
class RefusedStream final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit RefusedStream(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace akin::server
