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

void Replace(std::string_view what, std::string_view with, std::string& text) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

// With the limits that this server has in place of the defaults. /similarity counts its source,
// too, and of /vertex each instance waits in the queue as a request.
void ShowOpenApi(App& app, const ExchangePtr& exchange) {
  HttpResponse response{.body = std::string(kOpenApiJson)};
  const size_t most = app.options().max_client_batch_size;
  Replace(R"("maxItems": 2048)", StrCat(R"("maxItems": )", most), response.body);
  Replace(R"("maxItems": 2047)", StrCat(R"("maxItems": )", std::max<size_t>(most, 2) - 1),
          response.body);
  const size_t queued = static_cast<size_t>(app.options().scheduler.max_requests);
  Replace(R"("maxItems": 512)", StrCat(R"("maxItems": )", std::min(most, queued)), response.body);
  exchange->Respond(std::move(response));
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
