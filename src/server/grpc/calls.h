// The kinds of calls: answered once, and message by message.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/grpc/call.h"

namespace akin::server {

// One message, or several that are answered as one when the last has come: at most as many as the
// method takes, and as many bytes as a message may have.
class AnsweredCall final : public Call {
 public:
  AnsweredCall(CallEnvironment& environment, const Method& method, CallInfo info, Encoding encoding,
               Http2Responder& responder);
  ~AnsweredCall() override = default;

 private:
  void OnMessage(std::string message) override;
  void OnLast() override;
  void OnTooMany() override;
  void OnRefused(const GrpcStatus& status) override;
  bool IsComputing() const override { return is_computing_; }

  bool is_gather() const { return method_.kind == MethodKind::kGather; }
  // A request that is refused here counts, too, if it is one of a list.
  void RefuseMany(const GrpcStatus& status);
  void EndForMore();
  RequestTallyPtr NewTally() const;
  void Compute(bool is_only_one);

  const Method& method_;
  std::vector<std::string> messages_;
  size_t bytes_ = 0;  // Of messages_.
  bool is_computing_ = false;
};

// Messages are worked on as they come, and answered in their order. No more are read while
// kMaxInFlight of them or kMaxHeldBytes of them and their answers wait. The first one that fails
// ends the stream with its status.
class StreamCall final : public Call {
 public:
  static constexpr size_t kMaxInFlight = 256;
  static constexpr size_t kMaxOpenInFlight = 4;  // Of who needs no key.
  static constexpr int64_t kMaxHeldBytes = int64_t{16} << 20;

  // `timeout`: of each message, from when it has come.
  StreamCall(CallEnvironment& environment, const Method& method, CallInfo info, Encoding encoding,
             Http2Responder& responder, std::chrono::nanoseconds timeout)
      : Call(environment, std::move(info), encoding, responder),
        method_(method),
        timeout_(timeout) {}

 private:
  struct Slot {
    explicit Slot(AnswerBudget::SharePtr share_of_answer) : share(std::move(share_of_answer)) {}

    const AnswerBudget::SharePtr share;
    bool done = false;
    int64_t message_bytes = 0;  // Until it is done.
    int64_t counted_bytes = 0;  // In held_bytes_.
    GrpcStatus status;
    std::string answer;
  };

  void OnMessage(std::string message) override;
  void OnLast() override;
  bool MayRead() const override;
  void OnSent(int64_t bytes) override;
  bool IsComputing() const override { return !slots_.empty(); }

  void Compute(const std::shared_ptr<Slot>& slot, std::string message);
  // What the message takes and the answer is expected to take, then what the answer takes.
  void Count(Slot& slot);
  // Writes what is next, or ends the stream.
  void Advance();

  const Method& method_;
  const std::chrono::nanoseconds timeout_;
  std::deque<std::shared_ptr<Slot>> slots_;  // Not yet sent.
  size_t num_unsent_ = 0;                    // Sent, and not yet taken.
  int64_t held_bytes_ = 0;                   // By messages and answers of both.
  bool all_read_ = false;
};

}  // namespace akin::server
