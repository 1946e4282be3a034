#include "server/grpc/calls.h"

#include <algorithm>
#include <utility>

#include "server/api/failure.h"
#include "server/text.h"

namespace akin::server {

namespace {

// Until the last one has come, which may be never.
MessageKeeping KeepingOf(const Method& method, CallEnvironment& environment) {
  if (method.kind != MethodKind::kGather) return {.keeps = true};
  return {.keeps = true,
          .most_bytes = kMaxMessageBytes + method.most_messages * MessageKeeping::kKeptBytes,
          .early = &environment.early_messages};
}

}  // namespace

// --- One answer ----------------------------------------------------------------------------------

AnsweredCall::AnsweredCall(CallEnvironment& environment, const Method& method, CallInfo info,
                           Encoding encoding, Http2Responder& responder)
    : Call(environment, std::move(info), encoding, responder, KeepingOf(method, environment)),
      method_(method) {}

RequestTallyPtr AnsweredCall::NewTally() const {
  if (!method_.asks_model) return nullptr;
  auto tally = std::make_shared<RequestTally>(*info().metrics);
  if (is_gather()) tally->Begin(true);  // However few they are.
  return tally;
}

void AnsweredCall::OnRefused(const GrpcStatus& status) {
  if (!is_gather()) return;
  if (const RequestTallyPtr tally = NewTally()) CountEnd(*tally, *info().share, status);
}

void AnsweredCall::RefuseMany(const GrpcStatus& status) {
  // Not for lack of room, whatever the status: the client's own are too many.
  if (const RequestTallyPtr tally = NewTally()) tally->Fail(FailureKind(Problem::kTooManyTexts));
  End(status);
}

void AnsweredCall::EndForMore() {
  End(ClientsFault(GrpcCode::kUnimplemented, "the method takes one message, found more"));
}

void AnsweredCall::OnTooMany() {
  if (!is_gather()) return EndForMore();
  RefuseMany({GrpcCode::kResourceExhausted, StrCat("the messages of a stream have at most ",
                                                   kMaxMessageBytes, " bytes together")});
}

void AnsweredCall::OnMessage(std::string message) {
  if (!is_gather() && !messages_.empty()) return EndForMore();
  if (messages_.size() == method_.most_messages)
    return RefuseMany({GrpcCode::kInvalidArgument,
                       StrCat("a stream has at most ", method_.most_messages, " messages")});
  bytes_ += message.size();
  if (bytes_ > kMaxMessageBytes) return OnTooMany();
  messages_.push_back(std::move(message));
  SetResting(true);  // Its end is waited for.
}

void AnsweredCall::OnLast() {
  if (!is_gather() && messages_.empty())
    return End(ClientsFault(GrpcCode::kUnimplemented, "the method takes one message, found none"));
  is_computing_ = true;
  SetResting(false);
  Settled([this](bool is_only_one) { Compute(is_only_one); });
}

// A request that the event loop computes itself keeps it from the others, which belong into the
// queue, where they are computed together.
void AnsweredCall::Compute(bool is_only_one) {
  CallInfo call = info();
  call.tally = NewTally();
  // Those whose messages still wait to be inflated, or for room, have arrived, too.
  call.may_compute_here =
      is_only_one && environment().inflating.is_empty() && environment().rooms.is_empty();
  const std::vector<std::string> messages = std::move(messages_);
  messages_.clear();
  ReleaseMessages();
  method_.operation(
      call, messages,
      MakeReply(call, [this, share = call.share](const GrpcStatus& status, std::string answer) {
        if (status.ok()) SendMessage(std::move(answer), share);
        End(status);
      }));
}

// --- A stream of answers -------------------------------------------------------------------------

void StreamCall::OnMessage(std::string message) {
  SetResting(false);
  auto slot =
      std::make_shared<Slot>(std::make_shared<AnswerBudget::Share>(*info().budget, info().client));
  slot->message_bytes = static_cast<int64_t>(message.size());
  Count(*slot);
  slots_.push_back(slot);
  auto held = std::make_shared<std::string>(std::move(message));
  Soon([this, slot, held] { Compute(slot, std::move(*held)); });
}

void StreamCall::Compute(const std::shared_ptr<Slot>& slot, std::string message) {
  CallInfo call = info();
  call.share = slot->share;
  if (method_.asks_model) call.tally = std::make_shared<RequestTally>(*call.metrics);
  call.deadline = std::min(call.deadline, Clock::now() + timeout_);
  const std::vector<std::string> messages = {std::move(message)};
  method_.operation(call, messages,
                    MakeReply(call, [this, slot](GrpcStatus status, std::string answer) {
                      slot->status = std::move(status);
                      slot->answer = std::move(answer);
                      slot->done = true;
                      Count(*slot);
                      Advance();
                      ReadOn();
                    }));
  Count(*slot);
}

void StreamCall::OnLast() {
  all_read_ = true;
  Advance();
}

bool StreamCall::MayRead() const {
  const size_t most = method_.is_open ? kMaxOpenInFlight : kMaxInFlight;
  return slots_.size() + num_unsent_ < most && held_bytes_ < kMaxHeldBytes;
}

void StreamCall::OnSent(int64_t bytes) {
  --num_unsent_;
  held_bytes_ -= bytes;
  ReadOn();
  if (slots_.empty() && num_unsent_ == 0 && is_between_messages()) SetResting(true);
}

void StreamCall::Count(Slot& slot) {
  const int64_t bytes = slot.done ? static_cast<int64_t>(slot.answer.size())
                                  : slot.message_bytes + slot.share->bytes();
  held_bytes_ += bytes - slot.counted_bytes;
  slot.counted_bytes = bytes;
}

void StreamCall::Advance() {
  while (!is_over() && !slots_.empty() && slots_.front()->done) {
    const std::shared_ptr<Slot> slot = slots_.front();
    if (!slot->status.ok()) return End(slot->status);
    slots_.pop_front();
    ++num_unsent_;
    SendMessage(std::move(slot->answer), slot->share);
  }
  if (!is_over() && slots_.empty() && all_read_) End({});
}

}  // namespace akin::server
