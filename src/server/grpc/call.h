// A call of gRPC from its head to its end, whatever it is for: messages in, messages and a status
// out. What is asked is computed on other threads; all else of a call is of the event loop.
//
// A call is shared by the stream that it came on (CallStream) and whoever works on its answer. Once
// its client has gone, nothing is sent any more, and what is under way for it is cancelled.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/budgets/kept_room.h"
#include "server/budgets/least_rate.h"
#include "server/budgets/link_rate.h"
#include "server/budgets/sweep_limit.h"
#include "server/grpc/call_queue.h"
#include "server/grpc/inflate_budget.h"
#include "server/grpc/method.h"
#include "server/http2/handler.h"

namespace akin::server {

// What the calls of a server share; outlives them.
struct CallEnvironment {
  using Clock = std::chrono::steady_clock;

  std::function<void(std::function<void()>)> post;  // To the event loop, of any thread.
  // Runs soon on the event loop, when all that has been received is read, and says whether no other
  // request has arrived with this one (HttpServer::Settle).
  std::function<void(std::function<void(bool is_only_one)>)> settle;
  // For a client to take an answer.
  std::chrono::milliseconds write_timeout{30'000};
  LeastRate::Terms body_rate = LeastRate::kAlways;  // Of a message.
  LeastRate::Terms room_rate = LeastRate::kInRoom;
  // When one that does not was last refused, but for who is due. One at a time: what it leaves may
  // be enough.
  Clock::time_point made_room;
  // Without a message, an answer under way or the end of a stream; of a message, behind its own
  // part of the rate.
  std::chrono::milliseconds idle_timeout{60'000};
  static constexpr size_t kMessagesBytes = size_t{44} << 20;
  static constexpr size_t kEarlyMessagesBytes = size_t{4} << 20;
  MessageBudget messages{kMessagesBytes, MessageBudget::kFreeBytes, [this] { rooms.GoOn(); }};
  MessageBudget early_messages{kEarlyMessagesBytes};  // For which nobody waits.
  // With their windows shut, until there is room for their messages.
  CallQueue rooms{post, [this](Call& call) { return TakeRoom(call); }, GoOnInRoom};
  KeptRoom kept_room{messages};  // For a client in it, chosen
  Clock::time_point swept;       // then.
  // Of those that have waited for too long, for room or to be inflated.
  SweepLimit given_up;
  std::chrono::milliseconds waiting_time = kWaitingTime;  // Of these.
  InflateBudget inflated{size_t{64} << 20};               // A second.
  CallQueue inflating{post, [this](Call& call) { return MayInflate(call); }, InflateOn};
  // What keeps no model busy is then not waited for: without a key nobody holds up the end.
  std::optional<Clock::time_point> draining_since;
  LineLimit cancelled_lines;  // Of calls whose clients go before the first message.
  // When to ask again, of what is overloaded. Null: in a second.
  std::function<int(const std::string& client, std::optional<Priority>)> retry_after_seconds;
  size_t num_writing = 0;  // Calls whose answers wait for their clients.

  // Once a sweep, whose time is handed in: for whom room is kept.
  void SweepRooms(Clock::time_point now);
  void LeaveRooms(const Call& call) noexcept;
  // It waits no longer, and is not in it any more.
  void LeftRooms(const std::string& client) noexcept;

 private:
  bool TakeRoom(Call& call);
  void ChooseWhoIsDue() noexcept;
  static bool GoOnInRoom(Call& call);
  bool MayInflate(const Call& call);
  static bool InflateOn(Call& call);
};

class Call : public std::enable_shared_from_this<Call> {
 public:
  using Clock = CallEnvironment::Clock;

  // `keeping`: of messages that are held until ReleaseMessages.
  Call(CallEnvironment& environment, CallInfo info, Encoding encoding, Http2Responder& responder,
       MessageKeeping keeping = {});
  virtual ~Call() = default;

  void OnData(std::string_view bytes);
  void OnEnd();
  void OnGone();
  // A step of the message that is inflated -> whether it is over with, or waits again.
  bool InflateOn();
  // It gains more than texts do.
  bool gains_much() const { return gains_much_; }
  // Whether there is room for the message that waits for it, at most `most`, which then has it.
  bool TakeRoom(size_t most) { return reader_.TakeRoom(most); }
  // What it asks for, and since when, while it waits.
  size_t needed_bytes() const { return reader_.needed_bytes(); }
  Clock::time_point queued_since() const { return *queued_since_; }
  void GoOnInRoom();
  bool is_waiting_for_room() const { return queued_since_.has_value(); }
  void RefuseForRoom();
  void Sweep(Clock::time_point now);
  // At once. `run` may throw.
  void RunSafely(const std::function<void()>& run) noexcept;
  const CallInfo& info() const { return info_; }

 protected:
  // The next message, while MayRead. The last one has come when OnLast is called.
  virtual void OnMessage(std::string message) = 0;
  virtual void OnLast() = 0;
  virtual bool MayRead() const { return true; }
  // Instead of the next message: it is one too many, or has too many bytes with those that are
  // kept.
  virtual void OnTooMany() {}
  // What a call ends with whose messages cannot be read, or do not come in time, is about to be
  // sent.
  virtual void OnRefused(const GrpcStatus&) {}
  // Its status has been sent, or its client has gone; once. Throws nothing.
  virtual void OnOver() {}
  // So much of what was sent has been taken.
  virtual void OnSent(int64_t) {}
  // Whether an answer is being made: the client is not waited for.
  virtual bool IsComputing() const = 0;

  // When there was no room for what has come, and now may be.
  void ReadOn();
  void ReleaseMessages();
  // `share` counts the answer until its client has it.
  void SendMessage(std::string message, AnswerBudget::SharePtr share);
  // Sends the status and ends the call; what is under way for it is cancelled. If there is no
  // memory for that, the stream is reset.
  void End(const GrpcStatus& status) noexcept;
  // Runs on the event loop, soon, if the call has not ended until then. `run` may throw.
  void Soon(std::function<void()> run);
  // As Soon, when what else has been received is read, too.
  void Settled(std::function<void(bool is_only_one)> run);
  // Whether nothing is owed to the client, until the next is sent.
  void SetResting(bool rests) {
    if (!is_over()) responder_->SetResting(rests);
  }
  bool is_between_messages() const { return reader_.bytes() == 0 && waiting_.empty(); }
  // A way back to this call: `then` runs on the event loop, unless the call has ended. An answer
  // for which there is no memory to post it ends the call when it is swept.
  ReplyPtr MakeReply(const CallInfo& info, std::function<void(GrpcStatus, std::string)> then);

  bool is_over() const { return responder_ == nullptr || has_ended_; }
  CallEnvironment& environment() { return environment_; }

 private:
  // Reads what there is room for -> how much.
  size_t Read(std::string_view bytes);
  // What the reader has found is dealt with -> whether to read on.
  bool Found(MessageReader::State state);
  void DropWaiting() noexcept;
  // Nothing is read, and it is not for its client to go on.
  bool is_queued() const { return inflating_since_ || queued_since_; }
  // The message that is inflated gains so much that its client's others hold it up, and more of the
  // call is to come: in a stream of such it would have room and never be its client's turn.
  bool WaitsForOwnPart() const { return gains_much_ && !(end_has_come_ && waiting_.empty()); }
  // Of others that have no more than its client.
  bool HoldsUpOthers(Clock::time_point now);
  void ReadEnd();
  void Refuse(const GrpcStatus& status);
  // Ends it: the server could not handle it.
  void Fail() noexcept;
  void SendHead();
  void Sent(int64_t bytes);
  // Of what is sent and not yet taken.
  void BeginWriting();
  void EndWriting() noexcept;
  // The call's line, span and count, without which it ends all the same.
  void Record(const GrpcStatus& status, LineLimit* limit = nullptr) noexcept;
  void TryReset() noexcept;
  int RetryAfterSeconds(const GrpcStatus& status) const;
  // Tells who works for it.
  void Leave() noexcept;
  // Of a client that owes us the next message, and is slow: why the call ends.
  std::optional<GrpcStatus> IsLate(Clock::time_point now);
  // Of what has waited since then for us.
  bool MayGiveUp(Clock::time_point since, Clock::time_point now);
  // It is its client's turn: of what was before nothing counts.
  void RestartRate(Clock::time_point now) {
    rate_ = LinkRate(environment_.body_rate, environment_.idle_timeout, responder_->link(), now);
  }
  // Until when the client must have taken what is written.
  Clock::time_point WriteDeadline() const;

  CallEnvironment& environment_;
  const CallInfo info_;
  Http2Responder* responder_;  // Null: the client has gone.
  MessageReader reader_;
  std::string waiting_;  // What has come and, from waiting_at_ on, is not yet read.
  size_t waiting_at_ = 0;
  bool has_begun_ = false;                  // A message has come.
  std::atomic<bool> reply_is_lost_{false};  // Of any thread.
  // It is in environment_.inflating, or in environment_.rooms; since when.
  std::optional<Clock::time_point> inflating_since_, queued_since_;
  std::optional<LeastRate> room_rate_;  // As long as what comes, or is kept, has room.
  bool gains_much_ = false;             // The message that is inflated.
  bool end_has_come_ = false, last_was_told_ = false;
  bool head_is_lost_ = false;  // It was to be sent, and there was no memory.
  bool has_head_ = false, has_ended_ = false, is_writing_ = false;
  int unsent_ = 0;                    // Messages.
  Clock::time_point read_begin_;      // Since when nothing has happened.
  LinkRate rate_;                     // Of the message that is being read.
  Link::Duration shut_time_;          // Of its connection, at the last sweep.
  Clock::time_point write_deadline_;  // While is_writing_.
};

// The stream of a call.
class CallStream final : public Http2StreamHandler {
 public:
  explicit CallStream(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  void OnData(std::string_view bytes) override { std::shared_ptr(call_)->OnData(bytes); }
  void OnEnd() override { std::shared_ptr(call_)->OnEnd(); }
  void OnGone(bool) override { std::shared_ptr(call_)->OnGone(); }
  void Sweep(Call::Clock::time_point now) override { std::shared_ptr(call_)->Sweep(now); }
  bool is_waiting_for_room() const override { return call_->is_waiting_for_room(); }
  void RefuseForRoom() override { std::shared_ptr(call_)->RefuseForRoom(); }

 private:
  const std::shared_ptr<Call> call_;
};

}  // namespace akin::server
