#include "server/otlp.h"

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <mutex>
#include <new>
#include <utility>

#include "akin/system.h"

#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

constexpr size_t kMostWaiting = 2048;
constexpr size_t kMostInOneRequest = 512;
constexpr auto kInterval = std::chrono::seconds(2);
constexpr auto kTimeout = std::chrono::seconds(5);
constexpr int kServerKind = 2;   // SPAN_KIND_SERVER
constexpr int kErrorStatus = 2;  // STATUS_CODE_ERROR

std::string UnixNanoseconds(std::chrono::system_clock::time_point time) {
  return StrCat(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

// {"key":K,"value":{"stringValue":V}}
void AppendAttribute(std::string& out, std::string_view key, std::string_view value) {
  JsonObject attribute(out);
  attribute.Add("key", key);
  JsonObject(attribute.Key("value")).Add("stringValue", value);
}
// 64-bit numbers are strings in protobuf's JSON.
void AppendAttribute(std::string& out, std::string_view key, int64_t value) {
  JsonObject attribute(out);
  attribute.Add("key", key);
  JsonObject(attribute.Key("value")).Add("intValue", StrCat(value));
}
void AppendAttribute(std::string& out, std::string_view key, double value) {
  JsonObject attribute(out);
  attribute.Add("key", key);
  JsonObject(attribute.Key("value")).Add("doubleValue", value);
}

// Of text, or of a whole number.
void AppendAttribute(std::string& out, std::string_view key, const LogField& field) {
  JsonObject attribute(out);
  attribute.Add("key", key);
  JsonObject(attribute.Key("value")).Add(field.is_number ? "intValue" : "stringValue", field.value);
}

void AppendAttributes(std::string& out, const Span& span) {
  bool first = true;
  const auto add = [&](std::string_view key, const auto& value) {
    if (!std::exchange(first, false)) out += ',';
    AppendAttribute(out, key, value);
  };
  out += '[';
  for (const LogField& attribute : span.attributes) add(attribute.key, attribute);
  if (span.costs.computed) {
    add("akin.model", std::string_view(span.costs.model));
    add("akin.texts", span.costs.texts);
    add("akin.tokens", span.costs.tokens);
    add("akin.truncated_tokens", span.costs.truncated_tokens);
    add("akin.tokenize_ms", span.costs.tokenize_ms);
    add("akin.queue_ms", span.costs.queue_ms);
    add("akin.compute_ms", span.costs.compute_ms);
  }
  out += ']';
}

void AppendSpan(std::string& out, const Span& span) {
  JsonObject json(out);
  json.Add("traceId", span.trace.trace_id).Add("spanId", span.trace.span_id);
  if (!span.trace.parent_id.empty()) json.Add("parentSpanId", span.trace.parent_id);
  json.Add("name", span.name)
      .Add("kind", kServerKind)
      .Add("startTimeUnixNano", UnixNanoseconds(span.begin))
      .Add("endTimeUnixNano", UnixNanoseconds(span.end));
  AppendAttributes(json.Key("attributes"), span);
  JsonObject status(json.Key("status"));
  if (span.is_fault) status.Add("code", kErrorStatus);
}

}  // namespace

std::string OtlpJson(const std::vector<Span>& spans, std::string_view service_name) {
  std::string out;
  JsonObject body(out);
  std::string& list = body.Key("resourceSpans");
  list += '[';
  {
    JsonObject of_resource(out);
    JsonObject resource(of_resource.Key("resource"));
    resource.Key("attributes") += '[';
    AppendAttribute(out, "service.name", service_name);
    out += ',';
    AppendAttribute(out, "service.version", Version());
    out += ']';
    resource.Close();
    of_resource.Key("scopeSpans") += '[';
    {
      JsonObject of_scope(out);
      JsonObject(of_scope.Key("scope")).Add("name", "akin");
      AppendJsonArray(of_scope.Key("spans"), spans.size(),
                      [&](size_t i) { AppendSpan(out, spans[i]); });
    }
    out += ']';
  }
  out += ']';
  body.Close();
  return out;
}

Result<OtlpTarget> ParseOtlpEndpoint(std::string_view endpoint) {
  constexpr std::string_view kScheme = "http://";
  const auto wrong = [&] {
    const size_t at = endpoint.rfind('@');  // A password may stand before it.
    const std::string_view shown = endpoint.substr(at == endpoint.npos ? 0 : at);
    return InvalidInput("--otlp-endpoint is '", at == endpoint.npos ? "" : "***",
                        shown.substr(0, 200),
                        "', expected http://HOST[:PORT][/PATH] of a collector");
  };
  if (!endpoint.starts_with(kScheme)) return wrong();
  std::string_view rest = endpoint.substr(kScheme.size());
  const size_t slash = rest.find('/');
  std::string path(slash == std::string_view::npos ? "" : rest.substr(slash));
  while (!path.empty() && path.back() == '/') path.pop_back();
  rest = rest.substr(0, slash);
  const size_t bracket = rest.rfind(']');
  const size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string host(rest.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::string port(colon == std::string_view::npos ? "4318" : rest.substr(colon + 1));
  const bool is_number = port.find_first_not_of("0123456789") == std::string::npos;
  if (host.empty() || port.empty() || !is_number) return wrong();
  return OtlpTarget{std::move(host), std::move(port), path + "/v1/traces"};
}

// What both the exporter and its thread know.
class TraceExporter::Sender {
 public:
  Sender(OtlpTarget target, std::string service_name, Logger& logger)
      : target_(std::move(target)), service_name_(std::move(service_name)), logger_(&logger) {}

  void Add(Span span);
  void SendUntilStopped();
  bool StopWithin(std::chrono::milliseconds most);
  // Nobody hears of what comes of it any more. Whether the thread has ended.
  bool Abandon();
  int64_t exported() const { return exported_; }
  int64_t dropped() const { return dropped_; }

 private:
  // False: the collector did not take them.
  bool Send(const std::vector<Span>& spans) const;
  void Complain() const noexcept;  // With the lock.

  const OtlpTarget target_;
  const std::string service_name_;
  std::atomic<int64_t> exported_{0}, dropped_{0};
  std::mutex mutex_;
  std::condition_variable wake_, ended_;
  Logger* logger_;             // Guarded by mutex_; null: it has gone,
  std::vector<Span> waiting_;  // likewise,
  bool stopping_ = false;      // likewise,
  bool has_ended_ = false;     // likewise: the thread sends no more.
};

TraceExporter::TraceExporter(OtlpTarget target, std::string service_name, Logger& logger)
    : sender_(std::make_shared<Sender>(std::move(target), std::move(service_name), logger)),
      thread_([sender = sender_] { sender->SendUntilStopped(); }) {}

TraceExporter::~TraceExporter() { sender_->Abandon() ? thread_.join() : thread_.detach(); }

bool TraceExporter::StopWithin(std::chrono::milliseconds most) { return sender_->StopWithin(most); }
void TraceExporter::Add(Span span) { sender_->Add(std::move(span)); }
int64_t TraceExporter::exported() const { return sender_->exported(); }
int64_t TraceExporter::dropped() const { return sender_->dropped(); }

bool TraceExporter::Sender::StopWithin(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_.notify_one();
  return ended_.wait_for(lock, most, [&] { return has_ended_; });
}

bool TraceExporter::Sender::Abandon() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  logger_ = nullptr;
  waiting_.clear();
  wake_.notify_one();
  return has_ended_;
}

void TraceExporter::Sender::Add(Span span) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting) {
    ++dropped_;
    return;
  }
  waiting_.push_back(std::move(span));
  if (waiting_.size() == kMostInOneRequest) wake_.notify_one();
}

void TraceExporter::Sender::SendUntilStopped() {
  bool complained = false;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait_for(lock, kInterval,
                   [&] { return stopping_ || waiting_.size() >= kMostInOneRequest; });
    std::vector<Span> spans = std::exchange(waiting_, {});
    const bool last = stopping_;
    lock.unlock();
    const bool sent = spans.empty() || Send(spans);
    if (!spans.empty()) (sent ? exported_ : dropped_) += static_cast<int64_t>(spans.size());
    lock.lock();
    if (!sent && !std::exchange(complained, true)) Complain();
    if (sent && !spans.empty()) complained = false;
    if (!last) continue;
    has_ended_ = true;
    ended_.notify_all();
    return;
  }
}

void TraceExporter::Sender::Complain() const noexcept {
  try {
    if (logger_ == nullptr) return;
    logger_->Log(LogLevel::kWarn, "the trace collector does not take spans; they are dropped",
                 {{"host", target_.host}, {"port", target_.port}});
  } catch (const std::bad_alloc&) {
  }
}

bool TraceExporter::Sender::Send(const std::vector<Span>& spans) const {
  try {
    asio::io_context context;
    beast::tcp_stream stream(context);
    beast::http::request<beast::http::string_body> request(beast::http::verb::post, target_.path,
                                                           11);
    request.set(beast::http::field::host, target_.host);
    request.set(beast::http::field::content_type, "application/json");
    request.body() = OtlpJson(spans, service_name_);
    request.prepare_payload();
    beast::flat_buffer buffer;
    beast::http::response<beast::http::string_body> response;
    asio::ip::tcp::resolver resolver(context);
    bool sent = false;
    stream.expires_after(kTimeout);
    stream.async_connect(
        resolver.resolve(target_.host, target_.port), [&](auto error, const auto&) {
          if (error) return;
          beast::http::async_write(stream, request, [&](auto failed, size_t) {
            if (failed) return;
            beast::http::async_read(stream, buffer, response, [&](auto broken, size_t) {
              sent = !broken && response.result_int() / 100 == 2;
            });
          });
        });
    context.run();
    return sent;
  } catch (const std::exception&) {
    return false;  // The name has no address.
  }
}

}  // namespace akin::server
