#include "server/app.h"

#include <algorithm>
#include <utility>

#include "server/call_headers.h"
#include "server/cost_headers.h"
#include "server/http/client_address.h"
#include "server/json_writer.h"
#include "server/keys.h"
#include "server/local_host.h"
#include "server/text.h"

namespace akin::server {
namespace {

bool IsJson(std::string_view content_type) {
  const std::string_view media = Trimmed(content_type.substr(0, content_type.find(';')));
  return EqualIgnoringCase(media, "application/json") || AsciiLower(media).ends_with("+json");
}

// Whose own documentation posts JSON by curl's `-d`, which calls it a form.
bool TakesAnyMediaType(Dialect dialect) {
  return dialect == Dialect::kOllama || dialect == Dialect::kAkiDb;
}

// A page may post forms and plain text to any server without asking it; JSON only where CORS lets
// it. Browsers name the page's origin with every POST.
bool IsOfAPage(const HttpRequest& request) {
  return !request.header("origin").empty() || !request.header("sec-fetch-site").empty();
}

bool IsMediaTypeFine(const Route& route, const HttpRequest& request) {
  return IsJson(request.header("content-type")) ||
         (TakesAnyMediaType(route.dialect) && !IsOfAPage(request));
}

}  // namespace

App::App(AppOptions options, ModelRegistry& registry, Scheduler& scheduler, Metrics& metrics,
         Logger& logger)
    : options_(std::move(options)),
      registry_(registry),
      scheduler_(scheduler),
      metrics_(metrics),
      logger_(logger),
      request_log_(logger),
      answer_budget_(options_.answer_bytes),
      open_api_(OpenApiDocument(options_)) {
  for (const Route& route : AllRoutes()) routes_[route.path].push_back(route);
}

std::vector<Route> AllRoutes() {
  std::vector<Route> all;
  for (const auto& routes : {OpenAiRoutes(), TeiRoutes(), CohereRoutes(), RerankRoutes(),
                             OllamaRoutes(), AkiDbRoutes(), OperationRoutes()}) {
    all.insert(all.end(), routes.begin(), routes.end());
  }
  return all;
}

// --- Before the body -----------------------------------------------------------------------------

const std::vector<Route>* App::FindPath(std::string_view path) const {
  if (const auto it = routes_.find(path); it != routes_.end()) return &it->second;
  const size_t slash = path.rfind('/');
  const bool below = slash != std::string_view::npos && slash > 0 && slash + 1 < path.size();
  const auto it = below ? routes_.find(path.substr(0, slash + 1)) : routes_.end();
  return it == routes_.end() ? nullptr : &it->second;
}

const Route* App::FindRoute(const HttpRequest& request) const {
  const std::vector<Route>* routes = FindPath(request.path);
  if (routes == nullptr) return nullptr;
  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  const auto route = std::ranges::find(*routes, method, &Route::method);
  return route == routes->end() ? nullptr : &*route;
}

Dialect App::DialectOf(const HttpRequest& request) const {
  if (const Route* route = FindRoute(request)) return route->dialect;
  if (const auto* routes = FindPath(request.path)) return routes->front().dialect;
  return request.path.starts_with("/v1/") ? Dialect::kOpenAi : Dialect::kPlain;
}

Dialect App::DialectOf(const Exchange& exchange) const {
  return exchange.dialect.value_or(DialectOf(exchange.request));
}

bool App::IsKey(std::string_view given) const {
  return options_.api_keys.empty() || IsOneOf(given, options_.api_keys);
}

// Behind one key stands one client; without keys an address does.
std::string App::ClientBehind(const HttpRequest& request, const std::string& peer) const {
  return options_.api_keys.empty() ? ClientOf(peer) : GivenKey(request);
}

// The key first: without one nobody learns which paths there are.
std::optional<HttpResponse> App::Screen(const HttpRequest& request, const std::string& peer) {
  const std::vector<Route>* routes = FindPath(request.path);
  const Route* route = FindRoute(request);
  std::optional<HttpResponse> refused;
  if (auto preflight = Preflight(request)) {
    refused = std::move(preflight);
  } else if (IsForeignPage(request)) {
    refused =
        FailureResponse(DialectOf(request),
                        {Problem::kForeignPage,
                         StrCat("a page asks for the host '", request.header("host").substr(0, 100),
                                "', which is no name of this machine; --allowed-host and "
                                "--cors-origin let pages in")});
  } else if (!(route != nullptr && route->open) && !IsKey(GivenKey(request))) {
    refused = FailureResponse(DialectOf(request), {Problem::kNoKey, "a valid API key is needed"});
    // A browser that opens a page asks its user, and sends the answer with what the page asks for.
    const bool is_page = request.header("accept").find("text/html") != std::string_view::npos;
    if (is_page)
      refused->headers = {{"www-authenticate", "Basic realm=\"akin\", charset=\"UTF-8\""}};
  } else if (route == nullptr && routes != nullptr) {
    refused = FailureResponse(DialectOf(request),
                              {Problem::kWrongMethod, "this path has no such method"});
    std::string allowed;
    for (const Route& other : *routes) {
      allowed += StrCat(allowed.empty() ? "" : ", ", other.method);
    }
    refused->headers.push_back({"allow", allowed});
  } else if (route == nullptr) {
    refused = FailureResponse(DialectOf(request), {Problem::kNoRoute, "there is no such path"});
  } else if (request.method == "POST" && !IsMediaTypeFine(*route, request)) {
    refused = FailureResponse(
        route->dialect,
        {Problem::kMediaType, "expected a body with `Content-Type: application/json`"});
  }
  if (!refused) return std::nullopt;
  AddCors(request, *refused);
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
      DialectOf(request), WithRetry({problem, std::string(reason)}, ClientBehind(request, peer)));
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
  const Route* route = FindRoute(request);
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

std::optional<HttpResponse> App::Preflight(const HttpRequest& request) const {
  if (options_.cors_origins.empty() || request.method != "OPTIONS" ||
      request.header("access-control-request-method").empty()) {
    return std::nullopt;
  }
  HttpResponse response{.status = 204};
  response.headers.push_back({"access-control-allow-methods", "GET, POST"});
  response.headers.push_back(
      {"access-control-allow-headers",
       "accept, api-key, authorization, content-type, traceparent, x-priority, x-request-id, "
       "x-request-timeout-ms"});
  response.headers.push_back({"access-control-max-age", "600"});
  return response;
}

// Of other sites, whose names may resolve to this machine; not of origins that may call. What such
// a page gets over plain HTTP (GET, of the same origin) has no mark of a browser, and is answered.
bool App::IsForeignPage(const HttpRequest& request) const {
  if (!IsOfAPage(request) || IsLocalName(request.header("host"))) return false;
  const auto has = [](const std::vector<std::string>& list, std::string_view one) {
    return std::ranges::any_of(
        list, [&](const std::string& each) { return each == "*" || EqualIgnoringCase(each, one); });
  };
  return !has(options_.allowed_hosts, NameOf(request.header("host"))) &&
         !has(options_.cors_origins, request.header("origin"));
}

void App::AddCors(const HttpRequest& request, HttpResponse& response) const {
  const std::string_view origin = request.header("origin");
  if (options_.cors_origins.empty() || origin.empty()) return;
  const bool any = std::ranges::find(options_.cors_origins, "*") != options_.cors_origins.end();
  if (!any && std::ranges::find(options_.cors_origins, origin) == options_.cors_origins.end()) {
    return;
  }
  response.headers.push_back(
      {"access-control-allow-origin", any ? std::string("*") : std::string(origin)});
  if (!any) response.headers.push_back({"vary", "origin"});
  // What an answer cost, what was cut and when to come again stands in headers.
  response.headers.push_back({"access-control-expose-headers", "*"});
}

// --- A request -----------------------------------------------------------------------------------

void App::Handle(ExchangePtr exchange) {
  const HttpRequest& request = exchange->request;
  const Route* route = FindRoute(request);
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
  AddCors(exchange.request, response);
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
      FailureResponse(DialectOf(*exchange), WithRetry(std::move(failure), exchange->client)),
      std::move(fault));
}

bool App::HasShortDeadline(const Exchange& exchange) const {
  const auto headers = ReadCallHeaders(exchange.request);
  return headers && headers->timeout &&
         *headers->timeout < std::min(kShortDeadline, options_.request_timeout);
}

Failure App::WithRetry(Failure failure, const std::string& client) const {
  if (IsOverload(failure.problem))
    failure.retry_after_seconds = scheduler_.LoadOf(client).retry_after_seconds;
  return failure;
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
