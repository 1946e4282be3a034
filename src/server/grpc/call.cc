#include "server/grpc/call.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

#include "server/text.h"

namespace akin::server {
namespace {

constexpr auto kDeadlineGrace = std::chrono::milliseconds(500);
// For who needs no key to take what he is sent, while the server drains.
constexpr auto kDrainingWriteTime = std::chrono::seconds(1);

GrpcStatus NoRoom() {
  return {GrpcCode::kResourceExhausted,
          "messages that have not come whole leave no room for this one; send less at once",
          {"messages", {}},
          true};
}

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

bool CallEnvironment::TakeRoom(Call& call) { return call.TakeRoom(); }

bool CallEnvironment::GoOnInRoom(Call& call) {
  call.GoOnInRoom();
  return true;
}

bool CallEnvironment::MayInflate(const Call& call) {
  return !call.gains_much() || inflated.MayBegin(call.info().client, Clock::now());
}

bool CallEnvironment::InflateOn(Call& call) { return call.InflateOn(); }

Call::Call(CallEnvironment& environment, CallInfo info, Encoding encoding,
           Http2Responder& responder, MessageKeeping keeping)
    : environment_(environment),
      info_(std::move(info)),
      responder_(&responder),
      reader_(environment.messages, info_.client, encoding, info_.most_message_bytes, keeping,
              responder.floor()),
      read_begin_(Clock::now()),
      rate_(environment.body_grace, environment.least_body_bytes_per_second, read_begin_) {
  // Until its first message has come it is its client who is waited for.
  responder.SetResting(true);
}

// --- From the client -----------------------------------------------------------------------------

void Call::OnData(std::string_view bytes) {
  if (responder_ == nullptr) return;
  // Of a call that has its status the rest is thrown away.
  if (has_ended_) return responder_->Consume(bytes.size());
  if (!waiting_.empty()) {
    waiting_ += bytes;
    return ReadOn();
  }
  const size_t taken = Read(bytes);
  if (!is_over()) waiting_ = bytes.substr(taken);
  if (responder_ != nullptr && taken > 0) responder_->Consume(taken);
}

void Call::OnEnd() {
  end_has_come_ = true;
  ReadEnd();
}

void Call::ReadOn() {
  const size_t taken = Read(std::string_view(waiting_).substr(waiting_at_));
  if (!is_over()) {
    waiting_at_ += taken;
    // What is read is let go of when it is the larger part, or a long one would be moved each time.
    if (2 * waiting_at_ >= waiting_.size()) {
      waiting_.erase(0, waiting_at_);
      waiting_at_ = 0;
    }
  }
  if (responder_ != nullptr && taken > 0) responder_->Consume(taken);
  ReadEnd();
}

void Call::DropWaiting() noexcept {
  if (inflating_since_) environment_.inflating.Remove(*this);
  if (queued_since_) environment_.rooms.Remove(*this);
  inflating_since_.reset();
  queued_since_.reset();
  std::string().swap(waiting_);
  waiting_at_ = 0;
}

size_t Call::Read(std::string_view bytes) {
  const size_t all = bytes.size();
  while (!is_over() && !bytes.empty() && !is_queued() && MayRead()) {
    const auto now = Clock::now();
    if (reader_.bytes() == 0) RestartRate(now);
    // Behind those of its client that wait already.
    const bool may_take_room = !environment_.rooms.has(info_.client);
    const size_t before = bytes.size();
    const MessageReader::State state = reader_.Read(bytes, may_take_room);
    rate_.Arrived(before - bytes.size(), now);
    if (!Found(state)) break;
  }
  if (!reader_.has_room()) {
    has_room_since_.reset();
  } else if (!has_room_since_) {
    has_room_since_ = Clock::now();
  }
  return all - bytes.size();
}

bool Call::Found(MessageReader::State state) {
  using State = MessageReader::State;
  switch (state) {
    case State::kMore: return false;
    case State::kTooMany: OnTooMany(); return false;
    case State::kFailed: Refuse(reader_.status()); return false;
    case State::kInflating:
      if (inflating_since_) return false;
      environment_.inflating.Add(shared_from_this());
      inflating_since_ = Clock::now();
      SetResting(false);
      return false;
    case State::kNoRoom:
      environment_.rooms.Add(shared_from_this());
      queued_since_ = Clock::now();
      SetResting(false);
      return false;
    case State::kMessage: break;
  }
  has_begun_ = true;
  read_begin_ = Clock::now();
  // What is worked on at once is not kept.
  const bool is_last = end_has_come_ && waiting_.empty();
  if (!is_last && !reader_.MayKeep()) {
    Refuse(NoRoom());
    return false;
  }
  std::string message = reader_.Take(is_last);
  if (!reader_.has_room()) has_room_since_.reset();
  OnMessage(std::move(message));
  return true;
}

void Call::GoOnInRoom() {
  const auto now = Clock::now();
  rate_.Forgive(now - *queued_since_);  // It was not its client that was slow.
  has_room_since_ = now;
  queued_since_.reset();
  if (!IsComputing() && unsent_ == 0) SetResting(true);
  ReadOn();
}

void Call::ReleaseMessages() {
  reader_.Release();
  has_room_since_.reset();
}

// What gains no more than texts do has its turn at once. What does is found out by inflating: it
// begins anew, behind all others, when its client may have more.
bool Call::InflateOn() {
  if (is_over()) return true;
  const MessageReader::State state = reader_.InflateOn();
  const auto now = Clock::now();
  environment_.inflated.Count(info_.client, reader_.TakeInflateCost(), now);
  if (state == MessageReader::State::kInflating) {
    if (gains_much_ || !reader_.gains_much()) return false;
    gains_much_ = true;
    if (environment_.inflated.MayBegin(info_.client, now) &&
        environment_.inflating.GoOnLater(shared_from_this()))
      return true;
    reader_.InflateAnew();
    environment_.inflating.Add(shared_from_this(), true);
    return true;
  }
  inflating_since_.reset();
  gains_much_ = false;
  if (Found(state)) ReadOn();
  return true;
}

void Call::ReadEnd() {
  if (is_over() || !end_has_come_ || last_was_told_ || is_queued() || !waiting_.empty()) return;
  last_was_told_ = true;
  if (reader_.bytes() > 0) return Refuse(reader_.CutShort());
  OnLast();
}

void Call::Refuse(const GrpcStatus& status) {
  OnRefused(status);
  End(status);
}

void Call::RefuseForRoom() { Refuse(NoRoom()); }

void Call::OnGone() {
  responder_ = nullptr;
  // Here, because the last one to hold the call may be another thread.
  reader_.Clear();
  DropWaiting();
  EndWriting();
  if (has_ended_) return;
  has_ended_ = true;
  // Streams that are reset as soon as they begin cost their client nothing.
  Record({GrpcCode::kCancelled, {}}, has_begun_ ? nullptr : &environment_.cancelled_lines);
  Leave();
}

std::optional<GrpcStatus> Call::IsLate(Clock::time_point now) {
  if (environment_.draining_since && info_.is_open && !IsComputing() && unsent_ == 0)
    return GrpcStatus{GrpcCode::kUnavailable, "the server is ending"};
  if (inflating_since_ && now >= *inflating_since_ + environment_.body_grace)
    return GrpcStatus{
        GrpcCode::kResourceExhausted,
        "the messages that are inflated leave no time for this one; send less at once",
        {"inflating", {}},
        true};
  if (queued_since_ && now >= *queued_since_ + environment_.body_grace) return NoRoom();
  if (last_was_told_ || is_queued()) return std::nullopt;
  if (!MayRead()) {  // We hold it up.
    RestartRate(now);
    if (has_room_since_) has_room_since_ = now;
    return std::nullopt;
  }
  if (environment_.made_room != now && HoldsUpOthers(now)) {
    environment_.made_room = now;
    return GrpcStatus{
        GrpcCode::kResourceExhausted,
        "a message takes too long to come while others wait for the room that is kept for it",
        {"messages", {}},
        true};
  }
  if (reader_.bytes() == 0) {
    if (IsComputing() || unsent_ > 0 || now - read_begin_ < environment_.idle_timeout)
      return std::nullopt;
    return ClientsFault(GrpcCode::kDeadlineExceeded, "no message has come for too long");
  }
  if (!rate_.IsTooSlow(now)) return std::nullopt;
  return ClientsFault(GrpcCode::kDeadlineExceeded, "a message takes too long to come");
}

// Of others that have no more than its client.
bool Call::HoldsUpOthers(Clock::time_point now) const {
  if (!has_room_since_ || now < *has_room_since_ + environment_.body_grace / 2) return false;
  const auto held = std::chrono::duration<double>(now - *has_room_since_).count();
  const auto least = held * static_cast<double>(environment_.least_bytes_per_second_in_room);
  if (static_cast<double>(reader_.held_bytes()) >= least) return false;
  const size_t own = environment_.messages.held_bytes(info_.client);
  return environment_.rooms.HasOneThat([&](const std::string& client) {
    return client == info_.client || environment_.messages.held_bytes(client) < own;
  });
}

Call::Clock::time_point Call::WriteDeadline() const {
  if (!environment_.draining_since || !info_.is_open) return write_deadline_;
  const auto last_taken = write_deadline_ - environment_.write_timeout;
  return std::min(write_deadline_,
                  std::max(last_taken, *environment_.draining_since) + kDrainingWriteTime);
}

void Call::Sweep(Clock::time_point now) {
  if (responder_ == nullptr) return;
  if (is_writing_ && now >= WriteDeadline()) return responder_->Reset(Http2Error::kCancel);
  if (has_ended_) return;
  if (reply_is_lost_) return End(Failed());
  if (inflating_since_) environment_.inflating.GoOn();
  if (queued_since_ && reader_.TakeFloor()) {
    environment_.rooms.Remove(*this);
    RunSafely([this] { GoOnInRoom(); });
    if (has_ended_) return;
  }
  if (queued_since_) environment_.rooms.GoOn();
  GrpcStatus passed = {GrpcCode::kDeadlineExceeded, "the call's deadline has passed"};
  passed.is_clients = !IsComputing() && !is_queued();  // It is waited for.
  // Who computes knows the deadline, too, and says more of it, but may be held up by its backend.
  if (IsComputing() && now >= info_.deadline + kDeadlineGrace) return End(passed);
  if (!IsComputing() && now >= info_.deadline) return Refuse(passed);
  if (const auto late = IsLate(now)) Refuse(*late);
}

// --- To the client -------------------------------------------------------------------------------

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
  RestartRate(read_begin_);
  if (--unsent_ > 0 || has_ended_) {
    BeginWriting();
  } else {
    EndWriting();
  }
  OnSent(bytes);
}

int Call::RetryAfterSeconds(const GrpcStatus& status) const {
  if (!status.is_passing || !environment_.retry_after_seconds) return 1;
  return environment_.retry_after_seconds(info_.client);
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
    End(Failed());
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
