#include "server/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <new>
#include <string>
#include <string_view>
#include <thread>

namespace akin::server {
namespace {

// Runs out of memory at /throw, else says what it was asked for.
class ThrowingHandler final : public HttpHandler {
 public:
  std::optional<HttpResponse> Screen(const HttpRequest&, const std::string&) override {
    return std::nullopt;
  }
  HttpResponse Refuse(const HttpRequest&, const std::string&, int status,
                      std::string_view) override {
    return {.status = status};
  }
  void Handle(ExchangePtr exchange) override {
    if (exchange->request.path == "/throw") throw std::bad_alloc();
    exchange->Respond({.body = "the answer"});
  }
  void OnAbuse(const std::string&, std::string_view) override {}
};

// What comes of one request on a connection of its own, until the server closes it.
std::string Ask(uint16_t port, std::string_view path) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    send(client, request.data(), request.size(), MSG_NOSIGNAL);
    char bytes[1024];
    for (ssize_t got; (got = recv(client, bytes, sizeof bytes, 0)) > 0;)
      answer.append(bytes, static_cast<size_t>(got));
  }
  close(client);
  return answer;
}

TEST(HttpServer, AHandlerThatThrowsCostsItsRequestOneAnswerAndNobodyElseAnything) {
  ThrowingHandler handler;
  auto server = HttpServer::Listen({.port = uint16_t{0}}, handler);
  ASSERT_TRUE(server) << server.error().message();
  std::thread loop([&] { (*server)->Run(); });
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Ask((*server)->port(), "/throw").substr(0, 12), "HTTP/1.1 500");
    const std::string answer = Ask((*server)->port(), "/");
    EXPECT_EQ(answer.substr(0, 15), "HTTP/1.1 200 OK");
    EXPECT_NE(answer.find("the answer"), std::string::npos);
  }
  (*server)->Post([&] { (*server)->Stop(); });
  loop.join();
}

TEST(HttpServer, WhatIsPostedAndThrowsEndsNothingElse) {
  ThrowingHandler handler;
  auto server = HttpServer::Listen({.port = uint16_t{0}}, handler);
  ASSERT_TRUE(server) << server.error().message();
  std::thread loop([&] { (*server)->Run(); });
  (*server)->Post([] { throw std::bad_alloc(); });
  (*server)->Post([&] { (*server)->Settle([](bool) { throw std::bad_alloc(); }); });
  EXPECT_EQ(Ask((*server)->port(), "/").substr(0, 15), "HTTP/1.1 200 OK");
  (*server)->Post([&] { (*server)->Stop(); });
  loop.join();
}

}  // namespace
}  // namespace akin::server
