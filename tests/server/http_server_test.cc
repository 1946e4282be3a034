#include "server/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http2_client.h"
#include "plain_handler.h"

namespace akin::server {
namespace {

// Runs out of memory at /throw, does not answer at /keep.
class ThrowingHandler final : public PlainHandler {
 public:
  void Handle(ExchangePtr exchange) override {
    if (exchange->request.path == "/throw") throw std::bad_alloc();
    if (exchange->request.path == "/keep") {
      kept.push_back(std::move(exchange));
      ++num_kept;
      return;
    }
    PlainHandler::Handle(std::move(exchange));
  }

  std::vector<ExchangePtr> kept;  // Of /keep; of the event loop.
  std::atomic<int> num_kept{0};
};

// Its loop on a thread.
struct Running {
  explicit Running(HttpOptions options = {}) {
    options.port = uint16_t{0};
    auto listening = HttpServer::Listen(options, handler);
    EXPECT_TRUE(listening) << listening.error().message();
    server = std::move(*listening);
    port = server->port();
  }
  ~Running() {
    if (!loop.joinable()) return;
    server->Post([this] { server->Stop(); });
    loop.join();
  }
  void Run() {
    loop = std::thread([this] { server->Run(); });
  }

  ThrowingHandler handler;
  std::unique_ptr<HttpServer> server;
  uint16_t port = 0;
  std::thread loop;
};

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A connection on which nothing is heard.
class Silent {
 public:
  explicit Silent(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) { Connect(port); }
  Silent() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {}
  ~Silent() { close(fd_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  void Connect(uint16_t port) const {
    const sockaddr_in address = Loopback(port);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void Say(std::string_view words) const {
    EXPECT_EQ(send(fd_, words.data(), words.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(words.size()));
  }

 private:
  const int fd_;
};

// What comes of one request on a connection of its own, until the server closes it.
std::string Ask(uint16_t port, std::string_view path) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in address = Loopback(port);
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

// A client of HTTP/1.1, or of HTTP/2, with a body in two halves.
class HttpServerHeldUp : public testing::TestWithParam<bool> {
 protected:
  std::string Head() {
    if (!GetParam()) return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n";
    stream_ = http2_.Begin(Http2Client::Post("/"));
    return http2_.Take();
  }
  std::string Half(bool is_last) {
    const std::string half(5000, 'x');
    if (!GetParam()) return half;
    http2_.More(stream_, half, is_last);
    return http2_.Take();
  }
  // Of the answer, once it is here.
  std::string Status(int client) {
    char bytes[1024] = {};
    std::string answer;
    while (true) {
      const ssize_t got = recv(client, bytes, sizeof bytes, 0);
      if (got <= 0) return "none";
      answer.append(bytes, static_cast<size_t>(got));
      if (!GetParam() && answer.size() > 12) return answer.substr(9, 3);
      EXPECT_TRUE(http2_.Give({bytes, static_cast<size_t>(got)}));
      if (http2_.answers[stream_].has_ended) return http2_.answers[stream_].status();
    }
  }

 private:
  Http2Client http2_;
  int32_t stream_ = 0;
};

// Though what it has sent meanwhile, as much as its window or the system's buffer takes, pays for
// less time than that was.
TEST_P(HttpServerHeldUp, WhoSentWhileTheLoopWasHeldUpIsNotTooSlow) {
  using std::chrono::milliseconds;
  ThrowingHandler handler;
  auto server = HttpServer::Listen(
      {.port = uint16_t{0},
       .body_rate = {.grace = milliseconds(1500), .bytes_per_second = int64_t{64} << 10}},
      handler);
  ASSERT_TRUE(server) << server.error().message();
  std::thread loop([&] { (*server)->Run(); });
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in address = Loopback((*server)->port());
  ASSERT_EQ(connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto say = [&](const std::string& words) {
    EXPECT_EQ(send(client, words.data(), words.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(words.size()));
  };
  say(Head());
  std::this_thread::sleep_for(milliseconds(300));
  (*server)->Post([] { std::this_thread::sleep_for(milliseconds(2500)); });
  std::this_thread::sleep_for(milliseconds(300));
  say(Half(false));
  std::this_thread::sleep_for(milliseconds(2700));  // Half a second of which the loop runs.
  say(Half(true));
  EXPECT_EQ(Status(client), "200");
  close(client);
  (*server)->Post([&] { (*server)->Stop(); });
  loop.join();
}

INSTANTIATE_TEST_SUITE_P(HttpServer, HttpServerHeldUp, testing::Bool(),
                         [](const auto& version) { return version.param ? "Http2" : "Http1"; });

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

std::chrono::nanoseconds CpuTime(std::thread& thread) {
  clockid_t clock;
  timespec time{};
  EXPECT_EQ(pthread_getcpuclockid(thread.native_handle(), &clock), 0);
  EXPECT_EQ(clock_gettime(clock, &time), 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Two ports whose clients all wait until there is room had one timer, on which each ended the
// other's wait.
TEST(HttpServer, PortsThatAreFullOfRequestsWait) {
  Running running({.max_connections = 1});
  const auto second = running.server->ListenForGrpc(0);
  ASSERT_TRUE(second);
  running.Run();
  const Silent first(running.port);
  first.Say("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int i = 0; i < 3000 && running.handler.num_kept == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const Silent more(running.port), other(*second);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const auto begin = CpuTime(running.loop);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_LT(CpuTime(running.loop) - begin, std::chrono::milliseconds(100));
  running.server->Post([&] {
    for (const auto& exchange : running.handler.kept) exchange->Respond({.close = true});
    running.handler.kept.clear();
  });
  // Those who wait say nothing, and give way; one of them may come behind this and take its place.
  std::string answer;
  for (int i = 0; i < 3 && answer.empty(); ++i) answer = Ask(running.port, "/");
  EXPECT_EQ(answer.substr(0, 15), "HTTP/1.1 200 OK");
}

TEST(HttpServer, AcceptingGoesOnWhenThereAreFilesAgain) {
  Running running;
  running.Run();
  const Silent client;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int highest = dup(0);
  close(highest);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(highest), .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  client.Connect(running.port);
  for (int i = 0; i < 3000 && running.handler.accepts_failed == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(running.handler.accepts_failed, 0);
  EXPECT_EQ(Ask(running.port, "/").substr(0, 15), "HTTP/1.1 200 OK");
}

TEST(HttpServer, WhatIsRepeatedGoesOnWhateverItThrows) {
  Running running;
  std::atomic<int> calls{0};
  running.server->Every(std::chrono::milliseconds(1), [&] {
    ++calls;
    throw std::bad_alloc();
  });
  running.Run();
  for (int i = 0; i < 3000 && calls < 3; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_GE(calls, 3);
}

// As it ends they give back their room, while others still wait for it.
TEST(HttpServer, BodiesThatWaitForRoomEndWithTheServer) {
  Running running;
  running.Run();
  std::vector<std::unique_ptr<Silent>> clients;
  const std::string begun =
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + std::string(8192, ' ');
  for (int i = 0; i < 40; ++i) {  // 33 have room.
    clients.push_back(std::make_unique<Silent>(running.port));
    clients.back()->Say(begun);
  }
  EXPECT_EQ(Ask(running.port, "/").substr(0, 15), "HTTP/1.1 200 OK");
  clients.erase(clients.begin() + 34, clients.begin() + 36);
  clients.erase(clients.begin(), clients.begin() + 2);
  EXPECT_EQ(Ask(running.port, "/").substr(0, 15), "HTTP/1.1 200 OK");
}

}  // namespace
}  // namespace akin::server
