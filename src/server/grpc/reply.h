// The way of one answer back to its call.
#pragma once

#include <google/protobuf/message_lite.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/budgets/answer_budget.h"
#include "server/grpc/status.h"
#include "server/metrics/request_tally.h"

namespace akin::server {

// A message as the body has it: the five bytes of its prefix (message_reader.h), uncompressed, and
// its own.
std::string FramedMessage(const google::protobuf::MessageLite& message);

// Counts how a request ends, unless whoever refused it has done so with more words than a status
// has.
void CountEnd(RequestTally& tally, const AnswerBudget::Share& share, const GrpcStatus& status);

// Of any thread; the first answer counts: work goes on when its call has been cancelled, which has
// then been answered. One that everybody lets go of answers itself, so that each request gets
// exactly one answer, also when memory runs out: what cannot be made or written is a failure, a
// status whose words cannot be kept goes without them.
class Reply {
 public:
  // `message`: framed; empty with a status that is not OK. Throws nothing.
  using Send = std::function<void(GrpcStatus status, std::string message)>;

  Reply(AnswerBudget::SharePtr share, RequestTallyPtr tally, Send send)
      : share_(std::move(share)), tally_(std::move(tally)), send_(std::move(send)) {}
  ~Reply() { FailWith({GrpcCode::kInternal, {}}, "the request was dropped"); }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  // Serializes it here, on the thread that has made it. What the answer takes is known then; so is
  // how its request has ended.
  void Answer(const google::protobuf::MessageLite& message) noexcept;
  void Fail(const GrpcStatus& status) noexcept {
    FailWith({status.code, {}, status.full, status.is_passing}, status.message);
  }

 private:
  void FailWith(GrpcStatus status, std::string_view words) noexcept;
  void End(GrpcStatus status, std::string message) noexcept;

  const AnswerBudget::SharePtr share_;
  const RequestTallyPtr tally_;  // Null where no model is asked.
  const Send send_;
  std::atomic<bool> answered_{false};
};
using ReplyPtr = std::shared_ptr<Reply>;

}  // namespace akin::server
