// The table of routes beside the description of the interface that the server gives.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <set>
#include <string>

#include "server/app.h"
#include "server/assets.h"

namespace akin::server {
namespace {

// "POST /v1/embeddings"; what is below a path as the description has it, "GET /v1/models/{id}".
std::set<std::string> RoutesOfTheTable() {
  std::set<std::string> routes;
  for (const Route& route : AllRoutes()) {
    const bool has_more = route.path.size() > 1 && route.path.ends_with('/');
    routes.insert(std::string(route.method) + ' ' + std::string(route.path) +
                  (has_more ? "{id}" : ""));
  }
  return routes;
}

std::set<std::string> RoutesOfTheDescription() {
  std::set<std::string> routes;
  simdjson::dom::parser parser;
  const simdjson::dom::object paths = parser.parse(std::string(kOpenApiJson))["paths"];
  for (const auto [path, methods] : paths) {
    for (const auto [method, operation] : methods.get_object()) {
      std::string name(method);
      for (char& c : name) c = static_cast<char>(c - 'a' + 'A');
      routes.insert(name + ' ' + std::string(path));
    }
  }
  return routes;
}

TEST(Routes, TheDescriptionHasEachOfTheTableAndNoOther) {
  EXPECT_GT(AllRoutes().size(), 30u);
  EXPECT_EQ(RoutesOfTheTable().size(), AllRoutes().size());  // None is there twice.
  EXPECT_EQ(RoutesOfTheDescription(), RoutesOfTheTable());
}

}  // namespace
}  // namespace akin::server
