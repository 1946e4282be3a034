// What a call sends, how it ends, and the ways back to it of who works for it.
#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

#include "server/grpc/call.h"

namespace akin::server {
namespace {

// Where there may be no memory for words.
GrpcStatus Failed() noexcept {
  GrpcStatus status{.code = GrpcCode::kInternal, .message = {}};
  try {
    status.message = "the server failed to handle the request";
  } catch (...) {
  }
  return status;
}

}  // namespace

void Call::BeginWriting() {
  write_deadline_ = Clock::now() + environment_.write_timeout;
  if (is_writing_) return;
  is_writing_ = true;
  ++environment_.num_writing;
}

void Call::EndWriting() noexcept {
  if (!is_writing_) return;
  is_writing_ = false;
  --environment_.num_writing;
}

void Call::SendHead() {
  if (has_head_) return;
  std::vector<HttpHeader> headers = {{"content-type", "application/grpc"},
                                     {"grpc-accept-encoding", std::string(kEncodings)}};
  if (info_.record != nullptr) headers.push_back({"x-request-id", info_.record->id()});
  has_head_ = head_is_lost_ = true;
  responder_->SendHead(200, std::move(headers), false);
  head_is_lost_ = false;
}

void Call::SendMessage(std::string message, AnswerBudget::SharePtr share) {
  if (is_over()) return;
  SendHead();
  if (unsent_++ == 0) BeginWriting();
  const auto bytes = static_cast<int64_t>(message.size());
  responder_->SendData(
      std::move(message), false,
      [self = shared_from_this(), share = std::move(share), bytes] { self->Sent(bytes); });
}

void Call::Sent(int64_t bytes) {
  if (responder_ == nullptr) return;
  read_begin_ = Clock::now();
  if (reader_.bytes() == 0) RestartRate(read_begin_);  // One that has begun goes on meanwhile.
  if (--unsent_ > 0 || has_ended_) {
    BeginWriting();
  } else {
    EndWriting();
  }
  OnSent(bytes);
}

int Call::RetryAfterSeconds(const GrpcStatus& status) const {
  if (!status.is_passing || !environment_.retry_after_seconds) return 1;
  // Of what comes, which is none of the queue's, nor of any option.
  if (!status.full.of.empty() && status.full.option.empty()) return 1;
  return environment_.retry_after_seconds(
      info_.client, info_.record != nullptr ? info_.record->priority() : std::nullopt);
}

void Call::End(const GrpcStatus& status) noexcept {
  if (is_over()) return;
  has_ended_ = true;
  Record(status);
  reader_.Clear();
  DropWaiting();
  BeginWriting();
  try {
    SendHead();
    // It was begun, and can neither go on nor begin anew.
    if (head_is_lost_) throw std::bad_alloc();
    std::vector<HttpHeader> trailers = StatusHeaders(status, RetryAfterSeconds(status));
    if (info_.record != nullptr)
      std::ranges::move(info_.record->Costs(), std::back_inserter(trailers));
    responder_->SendTrailers(std::move(trailers));
  } catch (...) {
    TryReset();
  }
  Leave();
}

void Call::Fail() noexcept { End(Failed()); }

// Without memory for that, either, it is reset when it is swept.
void Call::TryReset() noexcept {
  write_deadline_ = {};
  try {
    responder_->Reset(Http2Error::kInternalError);
  } catch (...) {
  }
}

void Call::Record(const GrpcStatus& status, LineLimit* limit) noexcept {
  if (info_.record == nullptr) return;
  try {
    limit == nullptr ? info_.record->End(status)
                     : info_.record->EndEarly(status, LogLevel::kInfo, limit);
  } catch (...) {
  }
}

void Call::Leave() noexcept {
  OnOver();
  try {
    info_.departure->Leave();
  } catch (...) {
  }
}

void Call::RunSafely(const std::function<void()>& run) noexcept {
  if (is_over()) return;
  try {
    run();
  } catch (...) {
    // Memory that ran out, mostly. Here it would leave the event loop and end the server.
    Fail();
  }
}

void Call::Soon(std::function<void()> run) {
  environment_.post([self = shared_from_this(), run = std::move(run)] { self->RunSafely(run); });
}

void Call::Settled(std::function<void(bool)> run) {
  environment_.settle([self = shared_from_this(), run = std::move(run)](bool is_only_one) {
    self->RunSafely([&] { run(is_only_one); });
  });
}

ReplyPtr Call::MakeReply(const CallInfo& info, std::function<void(GrpcStatus, std::string)> then) {
  return std::make_shared<Reply>(
      info.share, info.tally,
      [self = shared_from_this(), then = std::move(then)](GrpcStatus status, std::string message) {
        try {
          auto answer = std::make_shared<std::pair<GrpcStatus, std::string>>(std::move(status),
                                                                             std::move(message));
          self->Soon([then, answer] { then(std::move(answer->first), std::move(answer->second)); });
        } catch (...) {
          self->reply_is_lost_ = true;
        }
      });
}

}  // namespace akin::server
