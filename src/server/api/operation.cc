// What operators and orchestrators ask: health, metrics, the description of the interface.
#include <utility>

#include "server/app.h"
#include "server/assets.h"
#include "server/json_writer.h"

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

void ShowOpenApi(App&, const ExchangePtr& exchange) {
  exchange->Respond({.body = std::string(kOpenApiJson)});
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

std::vector<Route> OperationRoutes() {
  return {{"GET", "/health", Dialect::kTei, Ready, true},
          {"GET", "/health/ready", Dialect::kTei, Ready, true},
          {"GET", "/health/live", Dialect::kTei, Live, true},
          {"GET", "/ping", Dialect::kTei, Ready, true},
          {"GET", "/metrics", Dialect::kPlain, ShowMetrics},
          {"GET", "/docs", Dialect::kPlain, ShowDocs},
          {"GET", "/api-doc/openapi.json", Dialect::kPlain, ShowOpenApi},
          {"GET", "/openapi.json", Dialect::kPlain, ShowOpenApi},
          {"GET", "/", Dialect::kPlain, ShowPage}};
}

}  // namespace akin::server
