// One client of HTTP/1.1: its requests one after the other, in the order they came (pipelined ones
// too), each answered before the next is read.
//
// Timeouts need no timer of their own: a connection says what it waits for and until when, and the
// server's sweep, a few times a second, cancels what has waited too long.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "server/budgets/message_budget.h"
#include "server/exchange.h"
#include "server/http/body_reader.h"
#include "server/http/connection_slots.h"
#include "server/http/head.h"
#include "server/http/input.h"
#include "server/http/served_connection.h"
#include "server/http/stream.h"

namespace akin::server {

class Connection final : public ServedConnection, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::unique_ptr<Stream> stream, std::string peer, ServedShared& shared,
             std::shared_ptr<ConnectionSlots::Slot> slot);

  // Until the connection ends, or turns out to be HTTP/2's.
  boost::asio::awaitable<void> Serve() override;
  // Then what has arrived of it, which is at least its preface, unless TLS's handshake has told.
  struct Http2 {
    std::unique_ptr<Stream> stream;
    std::string bytes;
  };
  std::optional<Http2> TakeHttp2();
  void Sweep(Clock::time_point now) override;
  void HeldUp(Clock::duration time, Clock::time_point now) override {
    if (body_) body_->HeldUp(time, now);
  }
  void Drain() override;
  bool GiveWay(bool may_tell) override;

 private:
  enum class Phase { kIdle, kHead, kBody, kAnswering, kWriting, kClosing };

  void Enter(Phase phase);
  void CancelWait();
  void SetTimedOut();
  boost::asio::awaitable<bool> ReadMore();
  boost::asio::awaitable<void> Linger();
  enum class Version { kNone, kHttp1, kHttp2 };
  // As which it begins; kNone: it ends before it has said.
  boost::asio::awaitable<Version> Begin();
  boost::asio::awaitable<bool> ServeOne();
  // Nothing: the connection ends, after `refusal_` if it is set.
  boost::asio::awaitable<std::optional<Head>> ReadHead();
  boost::asio::awaitable<void> RefuseHead(Refusal refusal);
  boost::asio::awaitable<bool> ReadBody(Head& head);
  boost::asio::awaitable<bool> IsOnlyOne();
  boost::asio::awaitable<HttpResponse> Answer(HttpRequest request, bool is_only_one);
  boost::asio::awaitable<bool> Write(HttpResponse response, bool keep_alive, bool with_body);
  void WatchForLeaving(const ExchangePtr& exchange);
  void LookForLeaving();

  std::unique_ptr<Stream> stream_;
  Input input_;  // Its.
  const std::string peer_;
  ServedShared& shared_;
  const std::shared_ptr<ConnectionSlots::Slot> slot_;
  Phase phase_ = Phase::kIdle;
  Clock::time_point phase_begin_;
  Clock::time_point deadline_;
  MessageBudget::Floor floor_;
  std::optional<BodyReader> body_;  // While it is read.
  std::weak_ptr<Exchange> asked_;   // Whose client may leave before its answer.
  bool timed_out_ = false;
  bool is_http2_ = false;
  std::optional<Refusal> refusal_;
};

}  // namespace akin::server
