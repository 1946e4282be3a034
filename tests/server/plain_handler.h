// An HttpHandler for the tests of what is below it: lets every request through, answers each with
// the same words, and counts what it is told. Tests override what they are about.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/http_server.h"

namespace akin::server {

class PlainHandler : public HttpHandler {
 public:
  std::optional<HttpResponse> Screen(const HttpRequest&, const std::string&) override {
    return std::nullopt;
  }
  HttpResponse Refuse(const HttpRequest&, const std::string&, int status,
                      std::string_view) override {
    return {.status = status};
  }
  void Handle(ExchangePtr exchange) override { exchange->Respond({.body = "the answer"}); }
  void OnAbuse(const std::string&, std::string_view) override { ++abuses; }
  void OnMalformed(const std::string&, std::string_view) override { ++malformed; }
  void OnStreamsRefused(const std::string&) override {}
  void OnAcceptFailed(std::string_view) override { ++accepts_failed; }

  std::atomic<int> abuses{0}, malformed{0}, accepts_failed{0};
};

}  // namespace akin::server
