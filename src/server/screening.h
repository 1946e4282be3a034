// Which requests are answered before their bodies are read: whose, by key, page and origin; and
// those for which there is no route.
#pragma once

#include <optional>
#include <string_view>

#include "server/app_options.h"
#include "server/http/message.h"
#include "server/routes.h"

namespace akin::server {

class Screening {
 public:
  // Both outlive it.
  Screening(const AppOptions& options, const RouteTable& routes)
      : options_(options), routes_(routes) {}

  // The answer to a request that is not wanted, with its CORS headers; nothing: read it.
  // `peer`: the client's address.
  std::optional<HttpResponse> Check(const HttpRequest& request, std::string_view peer) const;
  // Whether a key opens; any does, when none is asked for.
  bool IsKey(std::string_view given) const;
  // What lets a page of an origin that may call read the answer.
  void AddCors(const HttpRequest& request, HttpResponse& response) const;

 private:
  std::optional<HttpResponse> Refuse(const HttpRequest& request, std::string_view peer) const;
  std::optional<HttpResponse> RefuseHost(const HttpRequest& request, std::string_view peer) const;
  std::optional<HttpResponse> Preflight(const HttpRequest& request) const;
  bool IsForeignPage(const HttpRequest& request) const;
  bool MayBeForeignPage(const HttpRequest& request) const;
  bool IsAllowedHost(const HttpRequest& request) const;

  const AppOptions& options_;
  const RouteTable& routes_;
};

}  // namespace akin::server
