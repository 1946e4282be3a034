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

TEST(Routes, EachMayBeRefusedToAForeignPage) {
  simdjson::dom::parser parser;
  const simdjson::dom::object paths = parser.parse(std::string(kOpenApiJson))["paths"];
  for (const auto [path, methods] : paths) {
    for (const auto [method, operation] : methods.get_object()) {
      const simdjson::dom::object answers = operation["responses"];
      EXPECT_FALSE(answers["403"]["description"].error()) << path;
      // In the dialect's words, as without a key.
      simdjson::dom::element keyless, foreign;
      const bool has_words = !answers["401"]["content"].get(keyless);
      ASSERT_EQ(!answers["403"]["content"].get(foreign), has_words) << path;
      if (!has_words) continue;
      EXPECT_EQ(std::string(simdjson::minify(foreign)), simdjson::minify(keyless)) << path;
    }
  }
}

size_t CountLimits(const std::string& document, int limit) {
  const std::string member = "\"maxItems\": " + std::to_string(limit);
  size_t count = 0;
  for (size_t at = 0; (at = document.find(member, at)) != std::string::npos; at += member.size()) {
    const char next = document[at + member.size()];
    count += next < '0' || next > '9';
  }
  return count;
}

TEST(Routes, TheDescriptionHasTheLimitsOfThisServer) {
  const std::string usual(kOpenApiJson);
  EXPECT_EQ(OpenApiDocument({}), usual);
  // One less than the default: a limit that has been put in is not taken for another one.
  const std::string less = OpenApiDocument({.max_client_batch_size = 2047});
  EXPECT_EQ(CountLimits(less, 2048), 0u);
  EXPECT_EQ(CountLimits(less, 2047), CountLimits(usual, 2048));
  EXPECT_EQ(CountLimits(less, 2046), CountLimits(usual, 2047));
  EXPECT_GT(CountLimits(less, 2046), 0u);
  const std::string few = OpenApiDocument({.max_client_batch_size = 3});
  EXPECT_EQ(CountLimits(few, 3), CountLimits(usual, 2048) + CountLimits(usual, 512));
  EXPECT_EQ(CountLimits(few, 2), CountLimits(usual, 2047) + CountLimits(usual, 2));
}

}  // namespace
}  // namespace akin::server
