// HTTP's own requests over HTTP/2: the same HttpHandler as HTTP/1.1's, asked in the same order
// (http/connection.cc). Screened before the body, which is read up to --payload-limit and must come
// as fast as there; then handled, and dropped when its client resets it.
//
// A connection of HTTP/1.1 brings one body at a time, one of HTTP/2 a hundred. Those that have not
// come whole share their room with those of HTTP/1.1 (budgets/body_rooms.h), and wait for it as
// they do: what has come since then stays unconsumed, and the stream's window shut.
#pragma once

#include <memory>
#include <string>

#include "server/budgets/sweep_limit.h"
#include "server/http/served_connection.h"
#include "server/http2/handler.h"

namespace akin::server {

class Http2Requests final : public Http2Handler {
 public:
  // Both outlive it and what is answered through it.
  Http2Requests(ServedShared& shared, HttpServer& server) : shared_(shared), server_(server) {}

  std::unique_ptr<Http2StreamHandler> Begin(HttpRequest head, std::string peer, bool ends,
                                            Http2Responder& responder) override;

 private:
  class Stream;

  ServedShared& shared_;
  HttpServer& server_;
  SweepLimit given_up_;  // Of those that have waited for room for too long.
};

}  // namespace akin::server
