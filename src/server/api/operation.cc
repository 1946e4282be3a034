// What operators and orchestrators ask: health, metrics, the description of the interface.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "server/app.h"
#include "server/assets.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

void Healthy(const ExchangePtr& exchange) { exchange->Respond({}); }
void Unhealthy(const ExchangePtr& exchange, std::string_view why) {
  HttpResponse response{.status = 503};
  JsonObject(response.body).Add("error", why).Add("error_type", "Unhealthy");
  response.headers.push_back({"retry-after", "1"});
  exchange->Respond(std::move(response));
}

// The process serves; restarting it would not help.
void Live(App&, const ExchangePtr& exchange) { Healthy(exchange); }

// Requests are welcome: the models are loaded and warm, nobody has asked us to stop.
void Ready(App& app, const ExchangePtr& exchange) {
  if (!app.healthy()) return Unhealthy(exchange, "unhealthy: a model could not be loaded");
  if (!app.ready()) return Unhealthy(exchange, "not ready: loading or draining");
  Healthy(exchange);
}

void ShowMetrics(App& app, const ExchangePtr& exchange) {
  exchange->Respond(
      {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = app.RenderMetrics()});
}

void ShowOpenApi(App& app, const ExchangePtr& exchange) {
  exchange->Respond({.body = app.open_api()});
}

void Respond(const ExchangePtr& exchange, std::string_view html) {
  HttpResponse response{.content_type = "text/html; charset=utf-8", .body = std::string(html)};
  // Everything is in the page; nothing else is loaded, and nobody frames it.
  response.headers.push_back({"content-security-policy",
                              "default-src 'none'; script-src 'unsafe-inline'; style-src "
                              "'unsafe-inline'; connect-src 'self'; img-src data:; "
                              "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"});
  response.headers.push_back({"x-content-type-options", "nosniff"});
  exchange->Respond(std::move(response));
}
void ShowDocs(App&, const ExchangePtr& exchange) { Respond(exchange, kDocsHtml); }
void ShowPage(App&, const ExchangePtr& exchange) { Respond(exchange, kPageHtml); }

}  // namespace

std::string OpenApiDocument(const AppOptions& options) {
  constexpr std::string_view kLimit = R"("maxItems": )";
  const size_t most = options.max_client_batch_size;
  // /similarity counts its source, too, and of /vertex each instance waits in the queue as a
  // request.
  const std::pair<std::string_view, size_t> ours[] = {
      {"2048", most},
      {"2047", std::max<size_t>(most, 2) - 1},
      {"512", std::min(most, static_cast<size_t>(options.scheduler.max_requests))}};
  std::string document;
  std::string_view rest = kOpenApiJson;
  for (size_t at; (at = rest.find(kLimit)) != std::string_view::npos;) {
    document += rest.substr(0, at + kLimit.size());
    rest.remove_prefix(at + kLimit.size());
    const std::string_view number = rest.substr(0, rest.find_first_not_of("0123456789"));
    const auto our = std::ranges::find(ours, number, &std::pair<std::string_view, size_t>::first);
    document += our != std::end(ours) ? StrCat(our->second) : std::string(number);
    rest.remove_prefix(number.size());
  }
  return document += rest;
}

std::vector<Route> OperationRoutes() {
  return {{"GET", "/health", Dialect::kTei, Ready, true},
          {"GET", "/health/ready", Dialect::kTei, Ready, true},
          {"GET", "/health/live", Dialect::kTei, Live, true},
          {"GET", "/ping", Dialect::kTei, Ready, true},
          {.method = "GET",
           .path = "/metrics",
           .dialect = Dialect::kPlain,
           .handle = ShowMetrics,
           .any_name = true},
          {"GET", "/docs", Dialect::kPlain, ShowDocs},
          {"GET", "/api-doc/openapi.json", Dialect::kPlain, ShowOpenApi},
          {"GET", "/openapi.json", Dialect::kPlain, ShowOpenApi},
          {"GET", "/", Dialect::kPlain, ShowPage}};
}

}  // namespace akin::server
