#include "server/app.h"

#include <algorithm>
#include <utility>

#include "server/call_headers.h"
#include "server/cost_headers.h"
#include "server/http/client_address.h"
#include "server/json_writer.h"
#include "server/keys.h"
#include "server/model_calls.h"
#include "server/text.h"

namespace akin::server {

App::App(AppOptions options, ModelRegistry& registry, Scheduler& scheduler, Metrics& metrics,
         Logger& logger)
    : options_(std::move(options)),
      registry_(registry),
      scheduler_(scheduler),
      metrics_(metrics),
      logger_(logger),
      request_log_(logger),
      answer_budget_(options_.answer_bytes),
      open_api_(OpenApiDocument(options_)) {}

// --- Before the body -----------------------------------------------------------------------------

Dialect App::DialectOf(const Exchange& exchange) const {
  return exchange.dialect.value_or(routes_.DialectOf(exchange.request));
}

// Behind one key stands one client; without keys an address does.
std::string App::ClientBehind(const HttpRequest& request, const std::string& peer) const {
  return options_.api_keys.empty() ? ClientOf(peer) : GivenKey(request);
}

std::optional<HttpResponse> App::Screen(const HttpRequest& request, const std::string& peer) {
  std::optional<HttpResponse> refused = screening_.Check(request, peer);
  if (!refused) return std::nullopt;
  const Route* route = routes_.Find(request);
  metrics_.CountResponse(route != nullptr ? route->path : "other", refused->status);
  LogRefused(request, peer, *refused);
  return refused;
}

HttpResponse App::Refuse(const HttpRequest& request, const std::string& peer, int status,
                         std::string_view reason) {
  const Problem problem = status == 413   ? Problem::kBodyTooLarge
                          : status == 408 ? Problem::kSlowBody
                          : status == 429 ? Problem::kOverloaded
                                          : Problem::kBadBody;
  HttpResponse response = FailureResponse(
      routes_.DialectOf(request),
      WithRetry({problem, std::string(reason)}, ClientBehind(request, peer), std::nullopt));
  response.close = true;
  metrics_.CountResponse("refused", response.status);
  LogRefused(request, peer, response);
  return response;
}

// Of those without a key one a second, for they may be many and cost their senders nothing.
void App::LogRefused(const HttpRequest& request, const std::string& peer, HttpResponse& response) {
  RequestIdentity who{.id = {}, .peer = peer, .trace = {}};
  Identify(request.header("x-request-id"), request.header("traceparent"), who);
  response.headers.push_back({"x-request-id", who.id});
  const Route* route = routes_.Find(request);
  std::vector<LogField> fields = {{"method", request.method},
                                  {"route", route != nullptr ? route->path : "other"},
                                  {"status", response.status}};
  LogLevel level = response.status < 400 ? LogLevel::kDebug : LogLevel::kInfo;
  if (response.status == 401) {
    const auto like_it = keyless_lines_.Next(who.begin);
    if (!like_it) return;
    level = LogLevel::kWarn;
    if (*like_it > 0) fields.emplace_back("like_it", *like_it);
  }
  request_log_.Write(
      who, {}, {.level = level, .fields = std::move(fields), .span_name = {}, .has_span = false});
}

void App::OnAbuse(const std::string& peer, std::string_view what) {
  LogLimited(abuse_lines_, "a connection was ended for what it sent",
             {{"peer", peer}, {"too_many", what}});
}

void App::OnMalformed(const std::string& peer, std::string_view why) {
  LogLimited(abuse_lines_, "a connection was ended for what it sent",
             {{"peer", peer}, {"malformed", why}});
}

void App::OnStreamsRefused(const std::string& peer) {
  LogLimited(room_lines_, "requests were refused: too many of HTTP/2 hold memory",
             {{"peer", peer}});
}

void App::OnAcceptFailed(std::string_view why) {
  LogLimited(accept_lines_, "a connection was not accepted", {{"error", why}});
}

void App::OnCrowded(const std::string& client, bool was_new) {
  LogLimited(crowd_lines_,
             was_new ? "a new connection was closed: there are too many"
                     : "an idle connection was closed for a new one: there are too many",
             {{"client", client}, {"option", "--max-connections"}});
}

void App::LogLimited(LineLimit& limit, std::string_view message, std::vector<LogField> fields) {
  const auto like_it = limit.Next(std::chrono::steady_clock::now());
  if (!like_it) return;
  if (*like_it > 0) fields.emplace_back("like_it", *like_it);
  logger_.Log(LogLevel::kWarn, message, std::move(fields));
}

// --- A request -----------------------------------------------------------------------------------

void App::Handle(ExchangePtr exchange) {
  const HttpRequest& request = exchange->request;
  const Route* route = routes_.Find(request);
  Identify(request.header("x-request-id"), request.header("traceparent"), exchange->who);
  exchange->client = ClientBehind(request, exchange->who.peer);
  Exchange* raw = exchange.get();  // Lives as long as what it calls.
  exchange->before_respond = [this, raw, route](HttpResponse& response) {
    Finish(*raw, route, response);
  };
  if (route->computes) {
    exchange->tally = std::make_shared<RequestTally>(metrics_, exchange->who.begin);
    if (scheduler_.LoadOf(exchange->client).full == "max_requests") {
      ++metrics_.refused_at_once;
      return Fail(exchange, {.problem = Problem::kOverloaded,
                             .message = "Model is overloaded",
                             .full = "max_requests"});
    }
    exchange->share = std::make_shared<AnswerBudget::Share>(answer_budget_, exchange->client);
  }
  route->handle(*this, exchange);
}

void App::Finish(Exchange& exchange, const Route* route, HttpResponse& response) {
  if (exchange.share != nullptr) {
    // Long ones have grown to up to twice what they need.
    if (static_cast<int64_t>(response.body.size()) > AnswerBudget::kLargeBytes)
      response.body.shrink_to_fit();
    exchange.share->Settle(static_cast<int64_t>(response.body.capacity()));
    response.until_written = exchange.share;
  }
  EndTally(exchange, response);
  screening_.AddCors(exchange.request, response);
  response.headers.push_back({"x-request-id", exchange.who.id});
  for (HttpHeader& header : CostHeaders(exchange.costs, MillisecondsSince(exchange.who.begin)))
    response.headers.push_back(std::move(header));
  metrics_.CountResponse(route->path, response.status);
  const bool is_fault = !exchange.fault.empty();
  // The deadline of such a one was the client's, and short.
  const bool was_asked_for = response.status == 504 && !is_fault;
  const LogLevel level = was_asked_for
                             ? LogLevel::kInfo
                             : LevelOfRequest(route->open, response.status, healthy_ && !ready_);
  std::vector<LogField> fields = {
      {"method", exchange.request.method}, {"route", route->path}, {"status", response.status}};
  if (is_fault) fields.emplace_back("error", exchange.fault);
  if (!exchange.full.of.empty())
    fields.insert(fields.end(), {{"full", exchange.full.of}, {"option", exchange.full.option}});
  request_log_.Write(exchange.who, exchange.costs,
                     {.level = is_fault ? LogLevel::kWarn : level,
                      .fields = std::move(fields),
                      .span_name = StrCat(route->method, ' ', route->path),
                      .attributes = {{"http.request.method", route->method},
                                     {"http.route", route->path},
                                     {"http.response.status_code", response.status}},
                      .is_fault = is_fault || (response.status >= 500 && !was_asked_for),
                      .has_span = !route->open});
}

// What has failed has been counted by Fail, but for what nobody answered.
void EndTally(const Exchange& exchange, const HttpResponse& response) {
  if (exchange.tally == nullptr) return;
  if (response.status < 400) {
    exchange.tally->Succeed();
  } else {
    exchange.tally->Fail(FailureKind(Problem::kInternal));
  }
}

void App::Fail(const ExchangePtr& exchange, Failure failure) const {
  const bool is_full = failure.problem == Problem::kOverloaded && exchange->share != nullptr &&
                       exchange->share->was_refused();
  if (is_full) failure.problem = Problem::kAnswersFull;
  exchange->full = BoundOf(failure);
  if (exchange->tally != nullptr) exchange->tally->Fail(FailureKind(failure.problem));
  const bool is_fault = IsFault(failure.problem) &&
                        !(failure.problem == Problem::kDeadline && HasShortDeadline(*exchange));
  std::string fault = is_fault ? failure.message : std::string();
  exchange->Respond(
      FailureResponse(DialectOf(*exchange),
                      WithRetry(std::move(failure), exchange->client, PriorityOf(*exchange))),
      std::move(fault));
}

bool App::HasShortDeadline(const Exchange& exchange) const {
  const auto headers = ReadCallHeaders(exchange.request);
  return headers && headers->timeout &&
         *headers->timeout < std::min(kShortDeadline, options_.request_timeout);
}

Failure App::WithRetry(Failure failure, const std::string& client,
                       std::optional<Priority> priority) const {
  if (IsOverload(failure.problem))
    failure.retry_after_seconds = scheduler_.LoadOf(client, priority).retry_after_seconds;
  return failure;
}

// Before its texts are counted only a header says it.
std::optional<Priority> App::PriorityOf(const Exchange& exchange) const {
  const auto headers = ReadCallHeaders(exchange.request);
  const bool is_said = headers && headers->priority;
  const auto texts = static_cast<size_t>(exchange.costs.texts);
  if (texts == 0 && !is_said) return std::nullopt;
  return TermsOf(*this, exchange, texts).priority;
}

void App::WithModel(const ExchangePtr& exchange, const std::string& name,
                    std::function<void(const ServedModelPtr&)> use) {
  registry_.Acquire(name, [this, exchange, use = std::move(use)](Result<ServedModelPtr> model) {
    if (!model) {
      Failure failure = FailureOf(model.error());
      // Of a model that is loaded it is what the request asks for; of one that is not, the
      // server's.
      if (failure.problem == Problem::kWrongTask) failure.problem = Problem::kModelFailed;
      failure.param = "model";
      return Fail(exchange, std::move(failure));
    }
    use(*model);
  });
}

void App::WithFiles(const ExchangePtr& exchange, std::vector<ModelSpec> specs, UseFiles use) {
  std::vector<std::string> sources;
  for (const ModelSpec& spec : specs) sources.push_back(spec.source);
  const auto ticket =
      model_files_.Of(std::move(sources), exchange->who.begin + options_.request_timeout,
                      [this, exchange, specs = std::move(specs),
                       use = std::move(use)](const Result<ModelFilesCache::Found>& files) {
                        if (!files) return Fail(exchange, FailureOf(files.error()));
                        use(specs, *files);
                      });
  if (ticket) exchange->departure.OnLeave([this, id = *ticket] { model_files_.Cancel(id); });
}

void App::CountAnswer(const Answered& answered) {
  const auto& [task, report, texts, tally] = answered;
  const Usage& usage = report.usage();
  const double seconds = tally.Succeed();
  task.texts_done += texts;
  metrics_.tokens += usage.total_tokens;
  metrics_.truncated_tokens += usage.truncated_tokens;
  metrics_.tokenization.Observe(usage.tokenize_ms * 1e-3);
  metrics_.queue.Observe(usage.queue_ms * 1e-3);
  metrics_.inference.Observe(usage.compute_ms * 1e-3);
  task.total.Observe(seconds, texts);
  task.tokenization.Observe(
      usage.tokenize_ms * 1e-3 / static_cast<double>(std::max<int64_t>(texts, 1)), texts);
  task.queue.Observe(usage.queue_ms * 1e-3, texts);
  task.inference.Observe(usage.compute_ms * 1e-3, texts);
  for (size_t i = 0; i < report.num_texts(); ++i)
    metrics_.tokens_of_text.Observe(report.num_tokens(i));
}

std::string App::RenderMetrics() const {
  const TraceExporter* const traces = request_log_.traces();
  return metrics_.Render({.load = scheduler_.Load(),
                          .scheduler = scheduler_.Counts(),
                          .http = http_ == nullptr ? HttpCounts{} : http_->counts(),
                          .loaded_models = registry_.num_loaded(),
                          .answer_bytes = answer_budget_.held_bytes(),
                          .refused_answers = answer_budget_.refused(),
                          .exported_spans = traces == nullptr ? 0 : traces->exported(),
                          .dropped_spans = traces == nullptr ? 0 : traces->dropped(),
                          .ready = ready_});
}

}  // namespace akin::server
