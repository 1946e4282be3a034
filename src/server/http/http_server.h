// HTTP/1.1 and HTTP/2 on one thread, and on the same ports: an event loop on which each connection
// is a coroutine, so that thousands of idle keep-alive clients cost no threads. What computes runs
// elsewhere and answers through an Exchange.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "server/budgets/least_rate.h"
#include "server/budgets/sweep_limit.h"
#include "server/exchange.h"
#include "server/http/message.h"

namespace akin::server {

class Http2Handler;

struct HttpOptions {
  std::string host = "127.0.0.1";
  std::optional<uint16_t> port;   // 0: one that is free. Unset: no TCP.
  std::string unix_socket;        // A path; empty: none.
  std::string tls_cert, tls_key;  // PEM files, both or none; for TCP.
  size_t max_body_bytes = 2'000'000;
  size_t max_connections = 4096;  // More: connection_slots.h.
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds write_timeout{30'000};
  LeastRate::Terms body_rate = LeastRate::kAlways;  // Of a body.
  // Of a body, behind its own part of the rate, while others on its connection of HTTP/2 come.
  std::chrono::milliseconds body_silence{300'000};
  std::chrono::milliseconds waiting_time = kWaitingTime;  // Of a body, for room.
  bool may_spin =
      false;  // For a moment before the loop sleeps (idle_spin.h): there are cores for it.
};

// What the connections ask. All calls are on the event loop and return soon.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // The answer to a request whose body is not wanted (wrong key, path, type); nothing: read it.
  // `peer` is the client's address.
  virtual std::optional<HttpResponse> Screen(const HttpRequest& head, const std::string& peer) = 0;
  // The answer when reading the body has failed: 408, 413, 429 or 400.
  virtual HttpResponse Refuse(const HttpRequest& head, const std::string& peer, int status,
                              std::string_view reason) = 0;
  virtual void Handle(ExchangePtr exchange) = 0;
  // A connection of HTTP/2 is ended because its client sends too much of something.
  virtual void OnAbuse(const std::string& peer, std::string_view what) = 0;
  // A connection is ended because what its client sends is no HTTP/2.
  virtual void OnMalformed(const std::string& peer, std::string_view why) = 0;
  // Requests of HTTP/2 were refused, because too many hold memory.
  virtual void OnStreamsRefused(const std::string& peer) = 0;
  // A client could not be accepted: too many open files, memory. Later ones may be.
  virtual void OnAcceptFailed(std::string_view why) = 0;
  // There are too many connections: one of `client` (an address, or its network) that was idle was
  // closed for another, or a new one of it was.
  virtual void OnCrowded(const std::string& client, bool was_new) {
    (void)client;
    (void)was_new;
  }
};

struct HttpCounts {
  int64_t under_way = 0;  // Requests whose answers are not yet written.
  int64_t open = 0, accepted = 0, timed_out = 0, refused = 0, left = 0;
  int64_t gave_way = 0, turned_away = 0;  // Connections: idle ones, and new ones.
  int64_t streams_refused = 0;            // For want of room in ServedShared::streams.
};

class HttpServer {
 public:
  // Binds its sockets. Errors: InvalidInput (an address, a certificate), ServiceUnavailable (the
  // address is in use).
  static Result<std::unique_ptr<HttpServer>> Listen(const HttpOptions& options,
                                                    HttpHandler& handler);
  virtual ~HttpServer() = default;

  // Before Run; `handler`, which outlives this, answers gRPC: what comes by HTTP/2 with a content
  // type of application/grpc. Without it such requests are like any other.
  virtual void set_grpc(Http2Handler& handler) = 0;
  // Another port of the same host, with the same certificate, for the same requests. Once, before
  // Run. -> the port. Errors: as Listen's.
  virtual Result<uint16_t> ListenForGrpc(uint16_t port) = 0;

  // The TCP port; 0 without one.
  virtual uint16_t port() const = 0;
  // Serves until the last connection has ended after Drain, or until Stop.
  virtual void Run() = 0;
  // Of the event loop's thread, or before Run:
  virtual HttpCounts counts() const = 0;
  // SIGTERM, SIGINT, and SIGHUP unless that was ignored, as by nohup.
  virtual void OnSignals(std::function<void(int signal)> call) = 0;
  // Before Run: again and again, whatever a call throws.
  virtual void Every(std::chrono::milliseconds interval, std::function<void()> call) = 0;
  virtual void After(std::chrono::milliseconds delay, std::function<void()> call) = 0;
  // Accepts nobody any more; idle connections end now, the others with their answer.
  virtual void Drain() = 0;
  // For a request that has been read, of the event loop's thread: calls when all that has been
  // received by now is read, too, with whether it is still the only one. A request that the event
  // loop computes itself keeps it from the others, which belong into the queue.
  virtual void Settle(std::function<void(bool is_only_one)> call) = 0;
  // Of any thread.
  virtual void Post(std::function<void()> call) = 0;
  virtual void Stop() = 0;
};

}  // namespace akin::server
