#include "server/grpc/health.h"

#include <optional>
#include <utility>

#include "server/text.h"

namespace akin::server {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One message in; the status now, and whenever it changes.
class WatchCall final : public Call {
 public:
  WatchCall(CallEnvironment& environment, Health& health, CallInfo info, Encoding encoding,
            Http2Responder& responder)
      : Call(environment, std::move(info), encoding, responder), health_(health) {}

  // If it is another one than was told last.
  void Tell() {
    const Health::Status status = health_.StatusOf(is_known_);
    if (last_ == status) return;
    HealthCheckResponse response;
    response.set_status(status);
    SendMessage(FramedMessage(response), info().share);
    last_ = status;
  }
  void TellSafely() {
    RunSafely([this] { Tell(); });
  }
  void Close() { End({GrpcCode::kUnavailable, "the server is ending"}); }

 private:
  void OnMessage(std::string message) override {
    HealthCheckRequest request;
    if (is_watching_)
      return End({GrpcCode::kUnimplemented, "the method takes one message, found more"});
    if (!request.ParseFromString(message)) return End(UnreadableStatus(request));
    if (const auto refused = Health::CheckName(request.service())) return End(*refused);
    if (environment().draining_since) return Close();
    is_known_ = health_.IsKnown(request.service());
    health_.watches_.insert(this);
    is_watching_ = true;
    SetResting(false);
    Tell();
  }
  void OnLast() override {
    if (!is_watching_) End({GrpcCode::kUnimplemented, "the method takes one message, found none"});
  }
  void OnOver() override { health_.watches_.erase(this); }
  void OnSent(int64_t) override { SetResting(true); }
  bool IsComputing() const override { return is_watching_; }

  Health& health_;
  bool is_known_ = false;  // The service; its name is the client's, and may be long.
  bool is_watching_ = false;
  std::optional<Health::Status> last_;
};

std::optional<GrpcStatus> Health::CheckName(const std::string& service) {
  if (service.size() <= kMaxNameBytes) return std::nullopt;
  return GrpcStatus{GrpcCode::kInvalidArgument, StrCat("the name of a service has ", service.size(),
                                                       " bytes, at most ", kMaxNameBytes)};
}

Health::Status Health::StatusOf(bool is_known) const {
  if (!is_known) return HealthCheckResponse::SERVICE_UNKNOWN;
  return is_serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void Health::SetServing(bool serving) {
  is_serving_ = serving;
  ForEachWatch([](WatchCall& watch) { watch.TellSafely(); });
}

void Health::EndWatches() {
  ForEachWatch([](WatchCall& watch) { watch.Close(); });
}

// Whoever is told may leave, and take others along.
template <typename Visit>
void Health::ForEachWatch(Visit visit) {
  for (auto it = watches_.begin(); it != watches_.end();) {
    WatchCall* const watch = *it;
    visit(*watch);
    it = watches_.upper_bound(watch);
  }
}

Method Health::CheckMethod() const {
  return {.name = {"grpc.health.v1.Health", "Check"},
          .asks_model = false,
          .is_open = true,
          .operation = OperationOf<HealthCheckRequest, HealthCheckResponse>(
              [this](const CallInfo&, const HealthCheckRequest& request,
                     const CallDone<HealthCheckResponse>& done) {
                if (const auto refused = CheckName(request.service())) return done(*refused, {});
                const Status status = StatusOf(IsKnown(request.service()));
                if (status == HealthCheckResponse::SERVICE_UNKNOWN)
                  return done({GrpcCode::kNotFound,
                               StrCat("there is no service ", request.service().substr(0, 256))},
                              {});
                HealthCheckResponse response;
                response.set_status(status);
                done({}, std::move(response));
              })};
}

std::shared_ptr<Call> Health::Watch(CallEnvironment& environment, CallInfo info, Encoding encoding,
                                    Http2Responder& responder) {
  return std::make_shared<WatchCall>(environment, *this, std::move(info), encoding, responder);
}

}  // namespace akin::server
