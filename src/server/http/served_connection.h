// A client, whatever version of HTTP it speaks, and what all of them share.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "server/budgets/body_rooms.h"
#include "server/budgets/stream_budget.h"
#include "server/http/http_server.h"
#include "server/http/idle_spin.h"
#include "server/text.h"

namespace akin::server {

// Of the event loop's thread. Outlives the connections.
struct ServedShared {
  const HttpOptions& options;
  HttpHandler& handler;
  HttpCounts& counts;
  bool draining = false;
  int arrived = 0;    // Requests that were read and are not yet handled.
  int answering = 0;  // Handled, and their answers not yet here.
  int writing = 0;    // Answers that their clients have not yet taken.
  IdleSpin spin;
  // Requests of HTTP/2, with their heads and what nobody has read of them, of all connections.
  static constexpr size_t kStreamsBytes = size_t{128} << 20;
  static constexpr size_t kIdleStreamsBytes = size_t{32} << 20;
  StreamBudget streams{kStreamsBytes, kIdleStreamsBytes};
  // Bodies of HTTP's requests that have not come whole, by whatever version, of all connections.
  static constexpr size_t kBodiesBytes = 2 * BodyRooms::kMostBodyBytes;
  BodyRooms bodies{kBodiesBytes};
  // What is said of a body of more than max_body_bytes.
  const std::string too_large =
      StrCat("the body is larger than ", options.max_body_bytes, " bytes (--payload-limit)");
  // Where what is not wanted is read to; nobody looks at it.
  std::array<char, size_t{64} << 10> thrown_away;
};

class ServedConnection {
 public:
  using Clock = std::chrono::steady_clock;

  // What a client may take to notice that the connection ends.
  static constexpr std::chrono::milliseconds kLinger{500};
  // While draining a connection of HTTP/1.1 that has no request waits so long for one that is on
  // its way.
  static constexpr std::chrono::milliseconds kLastRequest{500};
  // Of a body, within ConnectionSlots::kPatience: less, and its connection is idle.
  static constexpr size_t kBusyBodyBytes = size_t{64} << 10;

  virtual ~ServedConnection() = default;
  // Until the connection ends.
  virtual boost::asio::awaitable<void> Serve() = 0;
  // Ends what has waited too long.
  virtual void Sweep(Clock::time_point now) = 0;
  // The event loop has read nothing for so long before now: no client is slow for that.
  virtual void HeldUp(Clock::duration time, Clock::time_point now) = 0;
  // Ends the connection, soon if it is idle, else with the answers under way.
  virtual void Drain() = 0;
  // Ends at once, and counts no longer: it waits for its client, and its place is wanted.
  // `may_tell`: its client may hear of it before, which takes a moment. False: not so, for
  // something of its client waits to be read.
  virtual bool GiveWay(bool may_tell) = 0;
  // The event loop has ended: nobody is answered any more.
  virtual void Abandon() {}
};

}  // namespace akin::server
