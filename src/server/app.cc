#include "server/app.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

double MillisecondsSince(Exchange::Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Exchange::Clock::now() - begin).count();
}

// Takes as long for a wrong key as for a right one: every byte of every key is looked at.
bool EqualInConstantTime(std::string_view given, std::string_view key) {
  unsigned char difference = given.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < key.size(); ++i) {
    const char c = given.empty() ? '\0' : given[i % given.size()];
    difference |= static_cast<unsigned char>(c ^ key[i]);
  }
  // The compiler may not see that the loop could end early.
  volatile unsigned char result = difference;
  return result == 0;
}

std::string_view GivenKey(const HttpRequest& request) {
  const std::string_view authorization = request.header("authorization");
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() > kBearer.size() &&
      EqualIgnoringCase(authorization.substr(0, kBearer.size()), kBearer)) {
    return Trimmed(authorization.substr(kBearer.size()));
  }
  return request.header("api-key");
}

// Ids that clients choose go into logs and headers: what is odd in them does not.
std::string CleanId(std::string_view id) {
  std::string out;
  for (const char c : id.substr(0, 128)) {
    const bool plain = (c >= '0' && c <= '9') || (AsciiLower(c) >= 'a' && AsciiLower(c) <= 'z') ||
                       c == '-' || c == '_' || c == '.';
    if (plain) out += c;
  }
  return out;
}

bool IsJson(std::string_view content_type) {
  const std::string_view media = Trimmed(content_type.substr(0, content_type.find(';')));
  return EqualIgnoringCase(media, "application/json") || AsciiLower(media).ends_with("+json");
}

// UTF-8 sequences begin with any byte but a continuation.
int64_t CountCharacters(const std::vector<TextOrIds>& inputs) {
  int64_t count = 0;
  for (const TextOrIds& input : inputs) {
    count += std::ranges::count_if(
        input.text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  }
  return count;
}

std::optional<Priority> PriorityOf(const HttpRequest& request) {
  const std::string_view header = request.header("x-priority");
  if (EqualIgnoringCase(header, "query")) return Priority::kQuery;
  if (EqualIgnoringCase(header, "bulk")) return Priority::kBulk;
  return std::nullopt;
}

// `x-request-timeout-ms`, at most what the server allows.
std::chrono::milliseconds TimeoutOf(const HttpRequest& request, std::chrono::milliseconds most) {
  const std::string_view header = request.header("x-request-timeout-ms");
  int64_t milliseconds = 0;
  const auto parsed = std::from_chars(header.data(), header.data() + header.size(), milliseconds);
  if (parsed.ec != std::errc() || parsed.ptr != header.data() + header.size()) return most;
  return std::clamp(std::chrono::milliseconds(milliseconds), std::chrono::milliseconds(0), most);
}

std::string Milliseconds(double value) { return StrCat(static_cast<int64_t>(value + 0.5)); }

// The headers that TEI's clients know, and one that says what was cut.
void AddCostHeaders(const ExchangeCosts& costs, double total_ms, HttpResponse& response) {
  const auto add = [&](std::string_view name, std::string value) {
    response.headers.push_back({std::string(name), std::move(value)});
  };
  add("x-compute-type", "cpu");
  add("x-compute-time", Milliseconds(total_ms));
  add("x-compute-characters", StrCat(costs.characters));
  add("x-compute-tokens", StrCat(costs.tokens));
  add("x-total-time", Milliseconds(total_ms));
  add("x-tokenization-time", Milliseconds(costs.tokenize_ms));
  add("x-queue-time", Milliseconds(costs.queue_ms));
  add("x-inference-time", Milliseconds(costs.compute_ms));
  if (costs.truncated_tokens > 0) add("x-truncated-tokens", StrCat(costs.truncated_tokens));
}

}  // namespace

App::App(AppOptions options, ModelRegistry& registry, Scheduler& scheduler, Metrics& metrics,
         Logger& logger)
    : options_(std::move(options)),
      registry_(registry),
      scheduler_(scheduler),
      metrics_(metrics),
      logger_(logger) {
  for (const auto& routes : {OpenAiRoutes(), TeiRoutes(), CohereRoutes(), OllamaRoutes(),
                             AkiDbRoutes(), OperationRoutes()}) {
    for (const Route& route : routes) routes_[route.path].push_back(route);
  }
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

bool App::IsKey(std::string_view given) const {
  if (options_.api_keys.empty()) return true;
  bool found = false;
  for (const std::string& key : options_.api_keys) found |= EqualInConstantTime(given, key);
  return found;
}

// The key first: without one nobody learns which paths there are.
std::optional<HttpResponse> App::Screen(const HttpRequest& request) {
  const std::vector<Route>* routes = FindPath(request.path);
  const Route* route = FindRoute(request);
  std::optional<HttpResponse> refused;
  if (auto preflight = Preflight(request)) {
    refused = std::move(preflight);
  } else if (!(route != nullptr && route->open) && !IsKey(GivenKey(request))) {
    refused = FailureResponse(DialectOf(request), {Problem::kNoKey, "a valid API key is needed"});
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
  } else if (request.method == "POST" && !IsJson(request.header("content-type"))) {
    refused = FailureResponse(
        route->dialect,
        {Problem::kMediaType, "expected a body with `Content-Type: application/json`"});
  }
  if (!refused) return std::nullopt;
  AddCors(request, *refused);
  metrics_.CountResponse(route != nullptr ? route->path : "other", refused->status);
  return refused;
}

HttpResponse App::Refuse(const HttpRequest& request, int status, std::string_view reason) {
  const Problem problem = status == 413   ? Problem::kBodyTooLarge
                          : status == 408 ? Problem::kSlowBody
                                          : Problem::kBadBody;
  HttpResponse response = FailureResponse(DialectOf(request), {problem, std::string(reason)});
  response.close = true;
  metrics_.CountResponse("refused", response.status);
  return response;
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
       "authorization, content-type, x-priority, x-request-id, x-request-timeout-ms"});
  response.headers.push_back({"access-control-max-age", "600"});
  return response;
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
}

// --- A request -----------------------------------------------------------------------------------

void App::Handle(ExchangePtr exchange) {
  const HttpRequest& request = exchange->request;
  const Route* route = FindRoute(request);
  exchange->id = CleanId(request.header("x-request-id"));
  if (exchange->id.empty()) exchange->id = RandomHex(32);
  exchange->trace = ContinueTrace(request.header("traceparent"));
  // Behind one key stands one client; without keys an address does.
  const std::string_view key = GivenKey(request);
  exchange->client = options_.api_keys.empty() ? exchange->peer : std::string(key);
  Exchange* raw = exchange.get();  // Lives as long as what it calls.
  exchange->before_respond = [this, raw, route](HttpResponse& response) {
    Finish(*raw, route, response);
  };
  if (route->computes) {
    const SchedulerLoad load = scheduler_.Load();
    if (load.requests >= options_.scheduler.max_requests) {
      return Fail(exchange, {Problem::kOverloaded, "Model is overloaded"});
    }
  }
  route->handle(*this, exchange);
}

void App::Finish(Exchange& exchange, const Route* route, HttpResponse& response) {
  const double total_ms = MillisecondsSince(exchange.begin);
  const ExchangeCosts& costs = exchange.costs;
  AddCors(exchange.request, response);
  response.headers.push_back({"x-request-id", exchange.id});
  if (costs.computed) AddCostHeaders(costs, total_ms, response);
  metrics_.CountResponse(route->path, response.status);
  const LogLevel level = response.status >= 500 ? LogLevel::kWarn
                         : route->open          ? LogLevel::kDebug
                                                : LogLevel::kInfo;
  if (!logger_.Wants(level)) return;
  std::vector<LogField> fields = {{"id", exchange.id},       {"trace_id", exchange.trace.trace_id},
                                  {"client", exchange.peer}, {"method", exchange.request.method},
                                  {"route", route->path},    {"status", response.status},
                                  {"total_ms", total_ms}};
  if (costs.computed) {
    fields.insert(fields.end(), {{"model", costs.model},
                                 {"texts", costs.texts},
                                 {"tokens", costs.tokens},
                                 {"truncated_tokens", costs.truncated_tokens},
                                 {"tokenize_ms", costs.tokenize_ms},
                                 {"queue_ms", costs.queue_ms},
                                 {"compute_ms", costs.compute_ms}});
  }
  logger_.Log(level, "request", std::move(fields));
}

void App::Fail(const ExchangePtr& exchange, Failure failure) const {
  const std::string_view kind = FailureKind(failure.problem);
  if (!kind.empty()) metrics_.CountFailure(kind);
  if (failure.problem == Problem::kOverloaded) {
    failure.retry_after_seconds = scheduler_.Load().retry_after_seconds;
  }
  exchange->Respond(FailureResponse(DialectOf(exchange->request), failure));
}

void App::WithModel(const ExchangePtr& exchange, const std::string& name,
                    std::function<void(const ServedModelPtr&)> use) {
  registry_.Acquire(name, [this, exchange, use = std::move(use)](Result<ServedModelPtr> model) {
    if (!model) return Fail(exchange, FailureOf(model.error()));
    use(*model);
  });
}

// --- Embedding -----------------------------------------------------------------------------------

std::optional<Failure> App::CheckCall(const EmbedCall& call, Dialect dialect) const {
  const size_t count = call.inputs.size();
  if (count == 0) return Failure{Problem::kEmpty, "`inputs` cannot be empty", "input"};
  if (count > options_.max_client_batch_size) {
    return Failure{Problem::kTooManyTexts,
                   StrCat("batch size ", count, " > maximum allowed batch size ",
                          options_.max_client_batch_size),
                   "input"};
  }
  for (const TextOrIds& input : call.inputs) {
    if (input.is_ids ? input.ids.empty() : input.text.empty() && dialect == Dialect::kTei) {
      return Failure{Problem::kEmpty, "`inputs` cannot be empty", "input"};
    }
    // Ids of another vocabulary give vectors of nonsense, and nobody would notice.
    if (input.is_ids && dialect == Dialect::kOpenAi && !options_.accept_token_ids) {
      return Failure{Problem::kBadValue,
                     "`input` holds token ids. They are of the client's tokenizer, not of this "
                     "model's, and would give wrong vectors; send texts instead (LangChain: "
                     "OpenAIEmbeddings(check_embedding_ctx_length=False)). A server started with "
                     "--accept-token-ids takes ids of the model's own vocabulary",
                     "input"};
    }
  }
  return std::nullopt;
}

void App::Embed(const ExchangePtr& exchange, EmbedCall call, Format format) {
  const Dialect dialect = DialectOf(exchange->request);
  ++(call.is_list ? metrics_.batch_requests : metrics_.single_requests);
  metrics_.texts += static_cast<int64_t>(call.inputs.size());
  if (auto failure = CheckCall(call, dialect)) return Fail(exchange, std::move(*failure));
  const std::string name = call.model;
  auto shared_call = std::make_shared<EmbedCall>(std::move(call));
  WithModel(exchange, name,
            [this, exchange, shared_call, format = std::move(format)](const ServedModelPtr& model) {
              Submit(exchange, model, std::move(*shared_call), format);
            });
}

// Ids are decoded and encoded again, as TEI does: so they get the model's special tokens and
// limits.
Result<std::vector<std::string>> App::TextsOf(const ServedModel& model, EmbedCall& call) const {
  std::vector<std::string> texts;
  texts.reserve(call.inputs.size());
  for (TextOrIds& input : call.inputs) {
    if (!input.is_ids) {
      texts.push_back(std::move(input.text));
      continue;
    }
    AKIN_TRY_ASSIGN(const Tokenizer* tokenizer, model.tokenizer());
    const auto size = static_cast<int64_t>(tokenizer->vocab_size());
    for (const int32_t id : input.ids) {
      if (id >= size) {
        return InvalidInput("token id ", id, " is not in the vocabulary of ", size, " tokens");
      }
    }
    AKIN_TRY_ASSIGN(std::string text, tokenizer->Decode(input.ids));
    texts.push_back(std::move(text));
  }
  return texts;
}

void App::Submit(const ExchangePtr& exchange, const ServedModelPtr& model, EmbedCall call,
                 Format format) {
  exchange->costs.model = model->name();
  exchange->costs.texts = static_cast<int64_t>(call.inputs.size());
  exchange->costs.characters = CountCharacters(call.inputs);
  Result<std::vector<std::string>> texts = TextsOf(*model, call);
  if (!texts) return Fail(exchange, FailureOf(texts.error()));
  const bool is_bulk = texts->size() > options_.bulk_texts;
  const HttpRequest& request = exchange->request;
  EmbedRequest job{
      .embedder = model->embedder(),
      .texts = *std::move(texts),
      .options = call.options,
      .priority = PriorityOf(request).value_or(is_bulk ? Priority::kBulk : Priority::kQuery),
      .client = exchange->client,
      .deadline = exchange->begin + TimeoutOf(request, options_.request_timeout)};
  const auto ticket =
      scheduler_.Submit(std::move(job), [this, exchange, model, is_list = call.is_list,
                                         format = std::move(format)](Result<Embeddings> result) {
        FinishEmbed(exchange, *model, result, is_list, format);
      });
  if (!ticket) {
    Failure failure = FailureOf(ticket.error());
    if (failure.problem == Problem::kOverloaded) failure.message = "Model is overloaded";
    return Fail(exchange, std::move(failure));
  }
  exchange->departure.OnLeave([this, id = *ticket] { scheduler_.Cancel(id); });
}

void App::FinishEmbed(const ExchangePtr& exchange, const ServedModel& model,
                      const Result<Embeddings>& result, bool is_list, const Format& format) {
  if (!result) return Fail(exchange, FailureOf(result.error()));
  const Usage& usage = result->usage();
  ExchangeCosts& costs = exchange->costs;
  costs.computed = true;
  costs.tokens = usage.total_tokens;
  costs.truncated_tokens = usage.truncated_tokens;
  costs.tokenize_ms = usage.tokenize_ms;
  costs.queue_ms = usage.queue_ms;
  costs.compute_ms = usage.compute_ms;
  HttpResponse response = format(*result, model);
  CountAnswer(usage, costs.texts, is_list, exchange->begin);
  exchange->Respond(std::move(response));
}

void App::CountAnswer(const Usage& usage, int64_t texts, bool is_list,
                      Exchange::Clock::time_point begin) {
  ++(is_list ? metrics_.batch_successes : metrics_.single_successes);
  metrics_.texts_done += texts;
  metrics_.tokens += usage.total_tokens;
  metrics_.truncated_tokens += usage.truncated_tokens;
  metrics_.tokenization.Observe(usage.tokenize_ms * 1e-3);
  metrics_.queue.Observe(usage.queue_ms * 1e-3);
  metrics_.inference.Observe(usage.compute_ms * 1e-3);
  metrics_.request.Observe(MillisecondsSince(begin) * 1e-3);
}

std::string App::RenderMetrics() const {
  return metrics_.Render({.load = scheduler_.Load(),
                          .scheduler = scheduler_.Counts(),
                          .http = http_ == nullptr ? HttpCounts{} : http_->counts(),
                          .loaded_models = registry_.num_loaded(),
                          .ready = ready_});
}

}  // namespace akin::server
