// gRPC's health checking: of the server, and of each of its services, which are what it is.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "grpc/health/v1/health.pb.h"
#include "server/grpc/call.h"
#include "server/grpc/operation.h"

namespace akin::server {

class WatchCall;

// Of the event loop.
class Health {
 public:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  explicit Health(std::set<std::string> services) : services_(std::move(services)) {}

  // SERVICE_UNKNOWN for what is no service; the empty name is the server.
  Status StatusOf(const std::string& service) const;
  // Tells those who watch.
  void SetServing(bool serving);
  // Ends the calls of those who watch, which would end by themselves never.
  void EndWatches();

  // Check.
  Method CheckMethod() const;
  // A call of Watch.
  std::shared_ptr<Call> Watch(CallEnvironment& environment, CallInfo info, Encoding encoding,
                              Http2Responder& responder);

 private:
  friend class WatchCall;

  const std::set<std::string> services_;
  bool is_serving_ = false;
  std::set<WatchCall*> watches_;
};

}  // namespace akin::server
