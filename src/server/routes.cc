#include "server/routes.h"

#include <algorithm>

namespace akin::server {

std::vector<Route> AllRoutes() {
  std::vector<Route> all;
  for (const auto& routes : {OpenAiRoutes(), TeiRoutes(), CohereRoutes(), RerankRoutes(),
                             OllamaRoutes(), AkiDbRoutes(), OperationRoutes()}) {
    all.insert(all.end(), routes.begin(), routes.end());
  }
  return all;
}

RouteTable::RouteTable() {
  for (const Route& route : AllRoutes()) routes_[route.path].push_back(route);
}

const std::vector<Route>* RouteTable::FindPath(std::string_view path) const {
  if (const auto it = routes_.find(path); it != routes_.end()) return &it->second;
  const size_t slash = path.rfind('/');
  const bool below = slash != std::string_view::npos && slash > 0 && slash + 1 < path.size();
  const auto it = below ? routes_.find(path.substr(0, slash + 1)) : routes_.end();
  return it == routes_.end() ? nullptr : &it->second;
}

const Route* RouteTable::Find(const HttpRequest& request) const {
  const std::vector<Route>* routes = FindPath(request.path);
  if (routes == nullptr) return nullptr;
  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  const auto route = std::ranges::find(*routes, method, &Route::method);
  return route == routes->end() ? nullptr : &*route;
}

Dialect RouteTable::DialectOf(const HttpRequest& request) const {
  if (const Route* route = Find(request)) return route->dialect;
  if (const auto* routes = FindPath(request.path)) return routes->front().dialect;
  return request.path.starts_with("/v1/") ? Dialect::kOpenAi : Dialect::kPlain;
}

}  // namespace akin::server
