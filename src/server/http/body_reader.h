// The body of a request of HTTP/1.1 that has not arrived with its head: as it comes, by its length
// or in chunks, at its least rate, into room that it has or waits for (budgets/body_rooms.h).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <optional>
#include <string>

#include "server/budgets/body_rooms.h"
#include "server/budgets/least_rate.h"
#include "server/http/head.h"
#include "server/http/input.h"
#include "server/http/served_connection.h"

namespace akin::server {

class BodyReader {
 public:
  using Clock = ServedConnection::Clock;

  // From now on. All outlive it; `floor` is its connection's.
  BodyReader(Input& input, ServedShared& shared, std::string client, MessageBudget::Floor& floor,
             Clock::time_point now)
      : input_(input),
        shared_(shared),
        rate_(LeastRate(shared.options.body_rate, now)),
        room_(shared.bodies, std::move(client), &floor) {}

  // Into `head`. False: not whole, for the reason of `refusal`, or else its client has gone.
  boost::asio::awaitable<bool> Read(Head& head);
  const std::optional<Refusal>& refusal() const { return refusal_; }

  // Of the server's sweep. Whether it goes on, or is kept waiting: its connection is not idle.
  bool IsBusy();
  bool IsTooSlow(Clock::time_point now);
  // Nothing was read for so long before now.
  void HeldUp(Clock::duration time, Clock::time_point now) {
    if (rate_) rate_->Forgive(time, now);
    room_.Forgive(time, now);
  }
  // It took too long. A read that is under way is for the caller to cancel.
  void Stop() { is_stopped_ = true; }

 private:
  boost::asio::awaitable<bool> ReadSized(size_t length, std::string& body);
  boost::asio::awaitable<bool> ReadChunked(std::string& body);
  boost::asio::awaitable<bool> ReadMore(size_t most);
  // Room for so many bytes of a body that has `length`, if it is known: there is some, or it comes
  // in time; else `refusal_` is set.
  boost::asio::awaitable<bool> HaveRoom(size_t bytes, std::optional<size_t> length);
  void Arrived(size_t bytes);

  // A read begins with so much, and goes up to the most as long as it is filled: who sends one byte
  // does not hold 64 KiB.
  static constexpr size_t kLeastReadBytes = size_t{2} << 10;
  static constexpr size_t kMostReadBytes = size_t{64} << 10;
  // Behind a chunked body, whose end is not known, the next requests are read with it, and wait
  // here.
  static constexpr size_t kMostChunkedReadBytes = size_t{16} << 10;

  Input& input_;
  ServedShared& shared_;
  std::optional<LeastRate> rate_;  // While it is read.
  BodyRooms::Body room_;
  bool holds_up_others_ = false;  // With it.
  size_t bytes_seen_ = 0;         // When it last was busy.
  size_t read_bytes_ = kLeastReadBytes;
  bool is_stopped_ = false;
  std::optional<Refusal> refusal_;
};

}  // namespace akin::server
