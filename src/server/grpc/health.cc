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
    const Health::Status status = health_.StatusOf(service_);
    if (last_ == status) return;
    last_ = status;
    HealthCheckResponse response;
    response.set_status(status);
    SendMessage(FramedMessage(response), info().share);
  }
  void Close() { End({GrpcCode::kUnavailable, "the server is ending"}); }

 private:
  void OnMessage(std::string message) override {
    HealthCheckRequest request;
    if (is_watching_)
      return End({GrpcCode::kUnimplemented, "the method takes one message, found more"});
    if (!request.ParseFromString(message)) return End(UnreadableStatus(request));
    service_ = request.service();
    is_watching_ = true;
    health_.watches_.insert(this);
    Tell();
  }
  void OnLast() override {
    if (!is_watching_) End({GrpcCode::kUnimplemented, "the method takes one message, found none"});
  }
  void OnOver() override { health_.watches_.erase(this); }
  bool IsComputing() const override { return is_watching_; }

  Health& health_;
  std::string service_;
  bool is_watching_ = false;
  std::optional<Health::Status> last_;
};

Health::Status Health::StatusOf(const std::string& service) const {
  if (!service.empty() && !services_.contains(service)) return HealthCheckResponse::SERVICE_UNKNOWN;
  return is_serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void Health::SetServing(bool serving) {
  is_serving_ = serving;
  // Whoever is told may leave.
  for (WatchCall* const watch : std::set(watches_)) {
    if (watches_.contains(watch)) watch->Tell();
  }
}

void Health::EndWatches() {
  for (WatchCall* const watch : std::set(watches_)) {
    if (watches_.contains(watch)) watch->Close();
  }
}

Method Health::CheckMethod() const {
  return {.name = {"grpc.health.v1.Health", "Check"},
          .asks_model = false,
          .is_open = true,
          .operation = OperationOf<HealthCheckRequest, HealthCheckResponse>(
              [this](const CallInfo&, const HealthCheckRequest& request,
                     const CallDone<HealthCheckResponse>& done) {
                const Status status = StatusOf(request.service());
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
