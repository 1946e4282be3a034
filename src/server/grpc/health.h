// gRPC's health checking: of the server, and of each of its services, which are what it is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
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

  // Names of more bytes are no service's, and are refused.
  static constexpr size_t kMaxNameBytes = 1024;
  static std::optional<GrpcStatus> CheckName(const std::string& service);
  // The empty name is the server.
  bool IsKnown(const std::string& service) const {
    return service.empty() || services_.contains(service);
  }
  // SERVICE_UNKNOWN for what is no service.
  Status StatusOf(bool is_known) const;
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
  template <typename Visit>
  void ForEachWatch(Visit visit);

  const std::set<std::string> services_;
  bool is_serving_ = false;
  std::set<WatchCall*> watches_;
};

}  // namespace akin::server
