// The same models over gRPC, in the same process, queue and limits: TEI's `tei.v1`, AkiDB's
// `akidb.embedding.v1`, health and reflection. The protocol is ours
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), over whatever carries HTTP/2;
// why no library: docs/design/017-http2.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "server/app.h"
#include "server/budgets/least_rate.h"
#include "server/grpc/call.h"
#include "server/grpc/call_head.h"
#include "server/grpc/health.h"
#include "server/grpc/reflection.h"
#include "server/grpc/services.h"
#include "server/http2/handler.h"

namespace akin::server {

// As HTTP's (HttpOptions).
struct GrpcOptions {
  std::chrono::milliseconds write_timeout{30'000};
  LeastRate::Terms body_rate = LeastRate::kAlways;
};

// Of the event loop; outlives its streams, and they the last answer that is made for them.
class GrpcServer final : public Http2Handler {
 public:
  GrpcServer(const GrpcOptions& options, App& app);

  // The event loop's (call.h), before the first call.
  void set_loop(std::function<void(std::function<void()>)> post,
                std::function<void(std::function<void(bool)>)> settle) {
    environment_.post = std::move(post);
    environment_.settle = std::move(settle);
  }

  std::unique_ptr<Http2StreamHandler> Begin(HttpRequest head, std::string peer, bool ends,
                                            Http2Responder& responder) override;
  void Refuse(bool with_body, int status, std::string_view reason,
              Http2Responder& responder) override;

  // What the health service says, of all services.
  void SetServing(bool serving) { health_.SetServing(serving); }
  // Ends the calls that would otherwise never end, now and when they come.
  void Drain() {
    environment_.draining_since = Call::Clock::now();
    health_.EndWatches();
  }
  // Calls whose answers wait for their clients.
  size_t num_writing() const { return environment_.num_writing; }

 private:
  // Whose call it is, and the record of what needs a key; a status without a valid one.
  std::optional<GrpcStatus> ReadCaller(const Method& method, const HttpRequest& head,
                                       std::string peer, CallInfo& info) const;
  std::shared_ptr<Call> MakeCall(const Method& method, CallInfo info, const CallHead& head,
                                 Http2Responder& responder);

  App& app_;
  CallEnvironment environment_;
  GrpcOperations operations_;
  const Reflection reflection_;
  Health health_;
  LineLimit keyless_lines_;
  std::map<std::string, Method, std::less<>> methods_;  // By path.
};

}  // namespace akin::server
