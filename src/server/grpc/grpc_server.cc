#include "server/grpc/grpc_server.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "server/grpc/calls.h"
#include "server/grpc/descriptor_set.h"
#include "server/grpc/model_methods.h"
#include "server/http/client_address.h"
#include "server/text.h"
#include "server/trace.h"

namespace akin::server {
namespace {

constexpr std::string_view kWatchPath = "/grpc.health.v1.Health/Watch";
// Longer than any call lasts, and far from what a clock of nanoseconds holds.
constexpr std::chrono::hours kLongest{24 * 365};

std::string PathOf(const RpcName& name) { return StrCat('/', name.Text()); }

// A stream that has its answer.
class RefusedStream final : public Http2StreamHandler {
 public:
  explicit RefusedStream(Http2Responder& responder) : responder_(responder) {}
  void OnData(std::string_view bytes) override { responder_.Consume(bytes.size()); }
  void OnEnd() override {}
  void OnGone(bool) override {}
  void Sweep(std::chrono::steady_clock::time_point) override {}

 private:
  Http2Responder& responder_;
};

// In HTTP's words: whoever asks knows no gRPC.
std::unique_ptr<Http2StreamHandler> RefuseHttp(int status, HttpHeader header, std::string body,
                                               Http2Responder& responder) {
  responder.SendHead(status, {{"content-type", "text/plain"}, std::move(header)}, false);
  responder.SendData(std::move(body), true, [] {});
  return std::make_unique<RefusedStream>(responder);
}

// The protocol's Trailers-Only.
std::unique_ptr<Http2StreamHandler> RefuseCall(const GrpcStatus& status, const CallInfo& info,
                                               Http2Responder& responder) {
  std::vector<HttpHeader> headers = {{"content-type", "application/grpc"},
                                     {"grpc-accept-encoding", std::string(kEncodings)}};
  if (info.record != nullptr) headers.push_back({"x-request-id", info.record->id()});
  for (HttpHeader& header : StatusHeaders(status)) headers.push_back(std::move(header));
  responder.SendHead(200, std::move(headers), true);
  return std::make_unique<RefusedStream>(responder);
}

// What HTTP's headers ask of a call to a model, as metadata.
std::optional<GrpcStatus> ReadAsked(const HttpRequest& head, Metrics& metrics, CallHead& call) {
  const Result<CallHeaders> asked = ReadCallHeaders(head);
  if (asked) {
    call.asked = *asked;
    return std::nullopt;
  }
  RequestTally(metrics).Fail(FailureKind(Problem::kBadHeader));
  return ToGrpcStatus(asked.error());
}

}  // namespace

GrpcServer::GrpcServer(const GrpcOptions& options, App& app)
    : app_(app),
      environment_{.write_timeout = options.write_timeout,
                   .body_rate = options.body_rate,
                   .idle_timeout = app.options().request_timeout,
                   .retry_after_seconds =
                       [&app](const std::string& client, std::optional<Priority> priority) {
                         return app.scheduler().LoadOf(client, priority).retry_after_seconds;
                       }},
      operations_(app),
      reflection_(kDescriptorSet),
      health_(std::set<std::string>(reflection_.services().begin(), reflection_.services().end())) {
  const auto add = [this](Method method) {
    std::string path = PathOf(method.name);
    methods_.emplace(std::move(path), std::move(method));
  };
  for (Method& method : ModelMethods(operations_)) add(std::move(method));
  for (Method& method : reflection_.Methods()) add(std::move(method));
  add(health_.CheckMethod());
  add({.name = {"grpc.health.v1.Health", "Watch"}, .asks_model = false, .is_open = true});
}

std::unique_ptr<Http2StreamHandler> GrpcServer::Begin(HttpRequest head, std::string peer, bool ends,
                                                      Http2Responder& responder) {
  responder.LetGoOfHead();
  if (!IsGrpc(head.header("content-type")))
    return RefuseHttp(415, {"accept", "application/grpc"},
                      "expected `Content-Type: application/grpc`\n", responder);
  if (head.method != "POST")
    return RefuseHttp(405, {"allow", "POST"}, "calls of gRPC are POST\n", responder);
  // The metrics and the log do not know it by the name that its client made up.
  static const Method kUnknown{.name = {"", "other"}, .asks_model = false};
  const auto found = methods_.find(head.path);
  const Method& method = found == methods_.end() ? kUnknown : found->second;
  if (method.is_open) responder.SetKeyless();
  CallInfo info;
  // The key first: without one no status tells whether a method exists.
  if (const auto refused = ReadCaller(method, head, std::move(peer), info)) {
    info.record->EndEarly(*refused, LogLevel::kWarn, &keyless_lines_);
    return RefuseCall(*refused, info, responder);
  }
  if (&method == &kUnknown) {
    const GrpcStatus unknown = {GrpcCode::kUnimplemented,
                                StrCat("there is no method ", head.path.substr(0, 256))};
    info.record->EndEarly(unknown, LogLevel::kInfo, nullptr);
    return RefuseCall(unknown, info, responder);
  }
  CallHead call_head;
  auto wrong = ReadCallHead(head, kLongest, call_head);
  if (!wrong && method.asks_model) wrong = ReadAsked(head, app_.metrics(), call_head);
  if (wrong) {
    if (info.record != nullptr) info.record->End(*wrong);
    return RefuseCall(*wrong, info, responder);
  }
  auto call = MakeCall(method, std::move(info), call_head, responder);
  if (ends) call->OnEnd();
  return std::make_unique<CallStream>(std::move(call));
}

void GrpcServer::Refuse(bool, int status, std::string_view reason, Http2Responder& responder) {
  const bool is_too_large = status == 414 || status == 431;
  const GrpcCode code = is_too_large    ? GrpcCode::kResourceExhausted
                        : status >= 500 ? GrpcCode::kInternal
                                        : GrpcCode::kInvalidArgument;
  RefuseCall({code, std::string(reason)}, CallInfo(), responder);
}

std::optional<GrpcStatus> GrpcServer::ReadCaller(const Method& method, const HttpRequest& head,
                                                 std::string peer, CallInfo& info) const {
  const std::string_view key = BearerKey(head);
  RequestIdentity who{.id = {}, .peer = std::move(peer), .trace = {}};
  const std::string address = ClientOf(who.peer);
  if (!method.is_open) {
    Identify(head.header("x-request-id"), head.header("traceparent"), who);
    info.record = std::make_shared<CallRecord>(app_.request_log(), app_.metrics(), method.name,
                                               std::move(who));
    if (!app_.IsKey(key))
      return GrpcStatus{GrpcCode::kUnauthenticated, "a valid API key is needed"};
  }
  // Behind one key stands one client; without keys an address does.
  const bool by_key = !app_.options().api_keys.empty() && !method.is_open;
  info.client = by_key ? std::string(key) : address;
  info.is_open = method.is_open;
  if (method.is_open) info.most_message_bytes = kMaxOpenMessageBytes;
  info.departure = std::make_shared<Departure>();
  info.budget = &app_.answer_budget();
  info.metrics = &app_.metrics();
  info.share = std::make_shared<AnswerBudget::Share>(*info.budget, info.client);
  return std::nullopt;
}

std::shared_ptr<Call> GrpcServer::MakeCall(const Method& method, CallInfo info,
                                           const CallHead& head, Http2Responder& responder) {
  const auto now = Call::Clock::now();
  const std::chrono::milliseconds allowed = app_.options().request_timeout;
  const std::chrono::nanoseconds most = std::min(head.asked.timeout.value_or(allowed), allowed);
  info.priority = head.asked.priority;
  if (info.record != nullptr) info.record->set_priority(info.priority);
  const std::chrono::nanoseconds ours = std::min(kShortDeadline, allowed);
  if (info.record != nullptr && std::min(most, head.timeout.value_or(kLongest)) < ours)
    info.record->set_has_short_deadline();
  const std::chrono::nanoseconds timeout = head.timeout.value_or(kLongest);
  if (PathOf(method.name) == kWatchPath) {
    info.deadline = now + timeout;
    return health_.Watch(environment_, std::move(info), head.encoding, responder);
  }
  if (method.kind != MethodKind::kStream) {
    info.deadline = now + std::min(timeout, most);
    return std::make_shared<AnsweredCall>(environment_, method, std::move(info), head.encoding,
                                          responder);
  }
  info.deadline = now + timeout;
  return std::make_shared<StreamCall>(environment_, method, std::move(info), head.encoding,
                                      responder, most);
}

}  // namespace akin::server
