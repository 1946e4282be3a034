#include "server/grpc/reply.h"

#include <utility>

#include "server/api/failure.h"
#include "server/grpc/message_reader.h"

namespace akin::server {

std::string FramedMessage(const google::protobuf::MessageLite& message) {
  const size_t bytes = message.ByteSizeLong();
  std::string out(kMessagePrefixBytes + bytes, '\0');
  for (size_t i = 1; i < kMessagePrefixBytes; ++i)
    out[i] = static_cast<char>(bytes >> 8 * (kMessagePrefixBytes - 1 - i));
  message.SerializeWithCachedSizesToArray(
      reinterpret_cast<uint8_t*>(out.data() + kMessagePrefixBytes));
  return out;
}

void CountEnd(RequestTally& tally, const AnswerBudget::Share& share, const GrpcStatus& status) {
  if (status.ok()) {
    tally.Succeed();
    return;
  }
  Problem problem = FailureOf(Error(static_cast<ErrorCode>(status.code), "")).problem;
  if (problem == Problem::kOverloaded && share.was_refused()) problem = Problem::kAnswersFull;
  tally.Fail(FailureKind(problem));
}

void Reply::Answer(const google::protobuf::MessageLite& message) {
  if (answered_.exchange(true)) return;
  std::string bytes = FramedMessage(message);
  share_->Settle(static_cast<int64_t>(bytes.size()));
  if (tally_ != nullptr) CountEnd(*tally_, *share_, {});
  send_({}, std::move(bytes));
}

void Reply::Fail(const GrpcStatus& status) {
  if (answered_.exchange(true)) return;
  share_->Settle(0);
  if (tally_ != nullptr) CountEnd(*tally_, *share_, status);
  send_(status, {});
}

}  // namespace akin::server
