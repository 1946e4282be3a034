// What paths there are, and whom they are for.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "server/api/failure.h"
#include "server/exchange.h"
#include "server/http/message.h"

namespace akin::server {

class App;

struct Route {
  std::string_view method;
  std::string_view path;  // Ends with a slash: everything below it.
  Dialect dialect = Dialect::kPlain;
  void (*handle)(App& app, const ExchangePtr& exchange) = nullptr;
  bool open = false;      // Needs no key.
  bool computes = false;  // Refused while the queue is full, before its body is looked at.
  bool any_name = false;  // Answered under any name in Host (screening.cc).
};

// All routes there are.
std::vector<Route> AllRoutes();

// The routes of each dialect: api/*.cc.
std::vector<Route> OpenAiRoutes();
std::vector<Route> TeiRoutes();
std::vector<Route> CohereRoutes();
std::vector<Route> RerankRoutes();
std::vector<Route> OllamaRoutes();
std::vector<Route> AkiDbRoutes();
std::vector<Route> OperationRoutes();

class RouteTable {
 public:
  RouteTable();

  // The routes of a path, one for each method; null: there is no such path.
  const std::vector<Route>* FindPath(std::string_view path) const;
  // That of a request; null: its path, or its path's method, there is not.
  const Route* Find(const HttpRequest& request) const;
  // Also of a request without a route: in whose words it is refused.
  Dialect DialectOf(const HttpRequest& request) const;

 private:
  std::map<std::string_view, std::vector<Route>> routes_;  // By path.
};

}  // namespace akin::server
