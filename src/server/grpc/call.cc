#include "server/grpc/call.h"

#include <algorithm>
#include <utility>

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

}  // namespace

bool CallEnvironment::TakeRoom(Call& call) {
  return call.TakeRoom(kept_room.MostFor(call.info().client));
}

void CallEnvironment::SweepRooms(Clock::time_point now) {
  if (std::exchange(swept, now) != now) ChooseWhoIsDue();
}

void CallEnvironment::LeftRooms(const std::string& client) noexcept {
  if (kept_room.IsFor(client)) ChooseWhoIsDue();
}

void CallEnvironment::LeaveRooms(const Call& call) noexcept {
  rooms.Remove(call);
  LeftRooms(call.info().client);
}

void CallEnvironment::ChooseWhoIsDue() noexcept {
  kept_room.KeepForNobody();
  try {
    rooms.ForEachFirst([this](const Call& call) {
      kept_room.Offer(call.info().client, call.needed_bytes(), call.queued_since(), swept);
    });
  } catch (...) {  // No memory: the next time.
  }
}

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
      rate_(environment.body_rate, environment.idle_timeout, responder.link(), read_begin_),
      shut_time_(responder.link().shut_time()) {
  // Until its first message has come it is its client who is waited for.
  responder.SetResting(true);
}

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
  if (queued_since_) environment_.LeaveRooms(*this);
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
    // Behind those of its client that wait already, and who is due.
    const size_t most_room =
        environment_.rooms.has(info_.client) ? 0 : environment_.kept_room.MostFor(info_.client);
    const size_t before = bytes.size();
    const MessageReader::State state = reader_.Read(bytes, most_room);
    rate_.Arrived(before - bytes.size(), now);
    if (room_rate_) room_rate_->Arrived(before - bytes.size(), now);
    if (!Found(state)) break;
  }
  if (!reader_.has_room()) {
    room_rate_.reset();
  } else if (!room_rate_) {
    room_rate_.emplace(environment_.room_rate, Clock::now());
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
  if (!reader_.has_room()) room_rate_.reset();
  OnMessage(std::move(message));
  return true;
}

void Call::GoOnInRoom() {
  const auto now = Clock::now();
  rate_.Forgive(now - *queued_since_, now);  // It was not its client that was slow.
  room_rate_.emplace(environment_.room_rate, now);
  queued_since_.reset();
  environment_.LeftRooms(info_.client);
  if (!IsComputing() && unsent_ == 0) SetResting(true);
  ReadOn();
}

void Call::ReleaseMessages() {
  reader_.Release();
  room_rate_.reset();
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
    if (room_rate_) room_rate_->Forgive(now - *inflating_since_, now);
    if (environment_.inflated.MayBegin(info_.client, now) &&
        environment_.inflating.GoOnLater(shared_from_this()))
      return true;
    reader_.InflateAnew();
    environment_.inflating.Add(shared_from_this(), true);
    return true;
  }
  // From where it was found to gain much it has waited for its client's own part.
  if (room_rate_ && !gains_much_) room_rate_->Forgive(now - *inflating_since_, now);
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
  if (inflating_since_ && MayGiveUp(*inflating_since_, now))
    return GrpcStatus{
        GrpcCode::kResourceExhausted,
        "the messages that are inflated leave no time for this one; send less at once",
        {"inflating", {}},
        true};
  if (queued_since_ && MayGiveUp(*queued_since_, now)) return NoRoom();
  if (last_was_told_ || queued_since_) return std::nullopt;
  if (inflating_since_ && !WaitsForOwnPart()) return std::nullopt;
  const bool may_read = MayRead() && !inflating_since_;
  if (!may_read) {
    RestartRate(now);
    // Work of ours holds it up; answers that are not taken are its client's.
    if (room_rate_ && IsComputing() && !inflating_since_)
      room_rate_.emplace(environment_.room_rate, now);
  }
  if (HoldsUpOthers(now)) {
    return GrpcStatus{
        GrpcCode::kResourceExhausted,
        "a message takes too long to come while others wait for the room that is kept for it",
        {"messages", {}},
        true};
  }
  if (!may_read) return std::nullopt;
  if (reader_.bytes() == 0) {
    if (IsComputing() || unsent_ > 0 || now - read_begin_ < environment_.idle_timeout)
      return std::nullopt;
    return ClientsFault(GrpcCode::kDeadlineExceeded, "no message has come for too long");
  }
  if (!rate_.IsTooSlow(now)) return std::nullopt;
  return ClientsFault(GrpcCode::kDeadlineExceeded, "a message takes too long to come");
}

bool Call::MayGiveUp(Clock::time_point since, Clock::time_point now) {
  return environment_.given_up.MayEnd(since, environment_.waiting_time, now);
}

bool Call::HoldsUpOthers(Clock::time_point now) {
  if (!room_rate_ || !room_rate_->IsTooSlow(now)) return false;
  if (environment_.kept_room.NeedsMoreOf(info_.client)) return true;
  if (environment_.made_room == now) return false;
  const size_t own = environment_.messages.held_bytes(info_.client);
  const bool holds_up_one = environment_.rooms.HasOneThat([&](const std::string& client) {
    return client == info_.client || environment_.messages.held_bytes(client) < own;
  });
  if (holds_up_one) environment_.made_room = now;
  return holds_up_one;
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
  if (reply_is_lost_) return Fail();
  environment_.SweepRooms(now);
  const auto shut_time = responder_->link().shut_time();
  const auto could_not_send = shut_time - std::exchange(shut_time_, shut_time);
  if (room_rate_) room_rate_->Forgive(could_not_send, now);
  if (inflating_since_) environment_.inflating.GoOn();
  if (queued_since_ && reader_.TakeFloor()) {
    environment_.rooms.Remove(*this);
    RunSafely([this] { GoOnInRoom(); });  // Which leaves it.
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

}  // namespace akin::server
