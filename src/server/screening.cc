#include "server/screening.h"

#include <algorithm>
#include <string>
#include <vector>

#include "server/api/failure.h"
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

// Whether a list of names or origins has it, or any.
bool Has(const std::vector<std::string>& list, std::string_view one) {
  return std::ranges::any_of(
      list, [&](const std::string& each) { return each == "*" || EqualIgnoringCase(each, one); });
}

}  // namespace

bool Screening::IsKey(std::string_view given) const {
  return options_.api_keys.empty() || IsOneOf(given, options_.api_keys);
}

// The key first: without one nobody learns which paths there are.
std::optional<HttpResponse> Screening::Refuse(const HttpRequest& request,
                                              std::string_view peer) const {
  const std::vector<Route>* routes = routes_.FindPath(request.path);
  const Route* route = routes_.Find(request);
  const Dialect dialect = routes_.DialectOf(request);
  if (auto preflight = Preflight(request)) return preflight;
  if (auto foreign = RefuseHost(request, peer)) return foreign;
  if (!(route != nullptr && route->open) && !IsKey(GivenKey(request))) {
    HttpResponse refused = FailureResponse(dialect, {Problem::kNoKey, "a valid API key is needed"});
    // A browser that opens a page asks its user, and sends the answer with what the page asks for.
    const bool is_page = request.header("accept").find("text/html") != std::string_view::npos;
    if (is_page)
      refused.headers = {{"www-authenticate", "Basic realm=\"akin\", charset=\"UTF-8\""}};
    return refused;
  }
  if (route == nullptr && routes != nullptr) {
    HttpResponse refused =
        FailureResponse(dialect, {Problem::kWrongMethod, "this path has no such method"});
    std::string allowed;
    for (const Route& other : *routes) {
      allowed += StrCat(allowed.empty() ? "" : ", ", other.method);
    }
    refused.headers.push_back({"allow", allowed});
    return refused;
  }
  if (route == nullptr)
    return FailureResponse(dialect, {Problem::kNoRoute, "there is no such path"});
  if (request.method == "POST" && !IsMediaTypeFine(*route, request)) {
    return FailureResponse(
        dialect, {Problem::kMediaType, "expected a body with `Content-Type: application/json`"});
  }
  return std::nullopt;
}

std::optional<HttpResponse> Screening::Check(const HttpRequest& request,
                                             std::string_view peer) const {
  std::optional<HttpResponse> refused = Refuse(request, peer);
  if (refused) AddCors(request, *refused);
  return refused;
}

std::optional<HttpResponse> Screening::Preflight(const HttpRequest& request) const {
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

bool Screening::IsAllowedHost(const HttpRequest& request) const {
  return Has(options_.allowed_hosts, NameOf(request.header("host")));
}

// Of a page: that of another site, whose name may resolve to this machine; not of origins that may
// call.
bool Screening::IsForeignPage(const HttpRequest& request) const {
  return !IsLocalName(request.header("host")) && !IsAllowedHost(request) &&
         !Has(options_.cors_origins, request.header("origin"));
}

// What a page gets over plain HTTP (GET, of the same origin) has no mark of a browser: there
// the name alone tells, and programs are asked for it, too. Names that a stranger's page cannot
// have are let in, for those are what programs on this machine and its containers use.
bool Screening::MayBeForeignPage(const HttpRequest& request) const {
  const Route* route = routes_.Find(request);
  return route != nullptr && route->method == "GET" && !route->open && !route->any_name &&
         !IsPrivateName(request.header("host")) && !IsAllowedHost(request);
}

// No page comes by a Unix socket but by a proxy, which has a name of its own.
std::optional<HttpResponse> Screening::RefuseHost(const HttpRequest& request,
                                                  std::string_view peer) const {
  const bool is_page = IsOfAPage(request);
  const bool is_foreign =
      is_page ? IsForeignPage(request) : peer != "unix" && MayBeForeignPage(request);
  if (!is_foreign) return std::nullopt;
  const std::string_view host = request.header("host").substr(0, 100);
  return FailureResponse(
      routes_.DialectOf(request),
      {Problem::kForeignPage,
       is_page ? StrCat("a page asks for the host '", host,
                        "', which is no name of this machine; --allowed-host and --cors-origin "
                        "let pages in")
               : StrCat("the host '", host,
                        "' is no name of this machine or its network, so this may be a page of "
                        "another site; --allowed-host lets a name in")});
}

void Screening::AddCors(const HttpRequest& request, HttpResponse& response) const {
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

}  // namespace akin::server
