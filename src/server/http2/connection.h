// A client that speaks HTTP/2: its session (session.h) on a socket. One coroutine reads, another
// one writes, so that answers go out while the client is silent and requests are read while it is
// slow to take answers; what is queued for it beyond that stops the reading.
//
// Timeouts are HTTP/1.1's (http/connection.h), by the same sweep: --header-timeout for the preface
// and each header block, --idle-timeout without a request, --write-timeout for each write and, in
// the session, for an answer for which the client opens no window. Bodies are their handlers' to
// time.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "server/http/connection_slots.h"
#include "server/http/served_connection.h"
#include "server/http/stream.h"
#include "server/http2/handler.h"
#include "server/http2/session.h"

namespace akin::server {

class Http2Connection final : public ServedConnection,
                              public std::enable_shared_from_this<Http2Connection> {
 public:
  // `first` has been read of it already.
  Http2Connection(std::unique_ptr<Stream> stream, std::string first, std::string peer,
                  ServedShared& shared, Http2Handler& handler,
                  std::shared_ptr<ConnectionSlots::Slot> slot);
  ~Http2Connection() override;

  boost::asio::awaitable<void> Serve() override;
  void Sweep(Clock::time_point now) override;
  void HeldUp(Clock::duration time, Clock::time_point now) override { session_.HeldUp(time, now); }
  void Drain() override;
  bool GiveWay(bool may_tell) override;
  void Abandon() override;

 private:
  // A moment that a coroutine waits for and others bring about.
  class Signal {
   public:
    explicit Signal(boost::asio::any_io_executor executor) : timer_(std::move(executor)) {}
    void Set();
    // Until it has been set since the last time.
    boost::asio::awaitable<void> Wait();

   private:
    boost::asio::steady_timer timer_;
    bool is_set_ = false, is_awaited_ = false;
  };

  boost::asio::awaitable<void> Read();
  // False: nothing more is wanted.
  bool Receive(std::string_view bytes);
  boost::asio::awaitable<void> Write();
  boost::asio::awaitable<void> Linger();
  // Brings what is counted for all connections up to date.
  void Count();
  void SetIdle(Clock::time_point now);
  // That streams were refused, if some were since the last time.
  void TellRefused();
  void GiveUp(bool left = false);
  void CancelWait();
  void Close();

  std::unique_ptr<Stream> stream_;
  const std::string peer_;
  ServedShared& shared_;
  const std::shared_ptr<ConnectionSlots::Slot> slot_;
  std::string in_, out_;
  const Clock::time_point begin_ = Clock::now();
  // Without a stream; and so, or since the last ping.
  Clock::time_point unused_since_ = begin_, idle_since_ = begin_;
  std::optional<Clock::time_point> write_since_, linger_since_;
  Signal wake_;           // There is something to write.
  Signal written_;        // Something was written, or never will be.
  bool is_read_ = false;  // Nothing more is.
  bool is_written_ = false;
  bool timed_out_ = false;
  bool gives_way_ = false;
  bool is_abandoned_ = false;
  size_t num_streams_ = 0;  // When last counted.
  bool is_waiting_ = true;  // For its client, then: it is owed nothing.
  size_t bytes_since_idle_ = 0;
  // Counted for all, so far:
  int counted_answering_ = 0;
  int64_t counted_pings_ = 0, counted_timeouts_ = 0, counted_left_ = 0, counted_refused_ = 0,
          counted_streams_refused_ = 0, told_streams_refused_ = 0;
  bool malformed_was_told_ = false;
  Http2Session session_;  // Last: ends first, and its end wakes nobody.
};

}  // namespace akin::server
