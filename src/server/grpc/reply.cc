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

void Reply::Answer(const google::protobuf::MessageLite& message) noexcept {
  if (answered_) return;
  std::string bytes;
  try {
    bytes = FramedMessage(message);
  } catch (...) {
    return FailWith({GrpcCode::kInternal, {}}, "the answer could not be made");
  }
  End({}, std::move(bytes));
}

void Reply::FailWith(GrpcStatus status, std::string_view words) noexcept {
  if (answered_) return;
  try {
    status.message = words;
  } catch (...) {  // Without them.
  }
  End(std::move(status), {});
}

void Reply::End(GrpcStatus status, std::string message) noexcept {
  if (answered_.exchange(true)) return;
  if (status.code == GrpcCode::kResourceExhausted && status.full.of.empty() &&
      share_->was_refused())
    status.full = BoundOf({.problem = Problem::kAnswersFull, .message = {}, .param = {}});
  // What is not counted is answered all the same.
  try {
    share_->Settle(static_cast<int64_t>(message.size()));
  } catch (...) {
  }
  try {
    if (tally_ != nullptr) CountEnd(*tally_, *share_, status);
  } catch (...) {
  }
  send_(std::move(status), std::move(message));
}

}  // namespace akin::server
