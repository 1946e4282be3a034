// The event loop when memory runs out: at each allocation in turn, of its own and of others.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "http2_client.h"
#include "plain_handler.h"
#include "server/http/http_server.h"
#include "support/allocations.h"
#include "support/fail_each.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;

// What a server that has dealt with a client says, or the end of the connection, comes when it
// comes: on a busy core in seconds.
constexpr int kPatienceMs = 20'000;

struct Running {
  Running() {
    auto listening = HttpServer::Listen({.port = uint16_t{0}}, handler);
    EXPECT_TRUE(listening) << listening.error().message();
    server = std::move(*listening);
    port = server->port();
    loop = std::thread([this] { server->Run(); });
  }
  ~Running() {
    server->Post([this] { server->Stop(); });
    loop.join();
  }
  // Until the loop has read what has been sent: it looks at its sockets between two calls.
  void Settle() {
    for (int i = 0; i < 4; ++i) Open();
  }
  int64_t Open() {
    std::atomic<int64_t> open = -1;
    server->Post([&] { open = server->counts().open; });
    while (open < 0) std::this_thread::yield();
    return open;
  }

  PlainHandler handler;
  std::unique_ptr<HttpServer> server;
  uint16_t port = 0;
  std::thread loop;
};

// Allocates nothing.
class Client {
 public:
  explicit Client(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool Send(std::string_view bytes) const {
    return is_connected_ && send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                                static_cast<ssize_t>(bytes.size());
  }
  // Whether something comes, or the connection ends, within so many milliseconds.
  bool Hears(int within_ms) const {
    pollfd wait{.fd = fd_, .events = POLLIN, .revents = 0};
    return poll(&wait, 1, within_ms) == 1;
  }
  // What has come until `end` is among it; shorter, if the connection ends or is silent before.
  std::string Until(std::string_view end) const {
    std::string all;
    char bytes[4096];
    while (all.find(end) == all.npos && Hears(kPatienceMs)) {
      const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      all.append(bytes, static_cast<size_t>(got));
    }
    return all;
  }
  // Whether the stream of HTTP/2 is answered or reset, or the connection ends; streams have fewer
  // than 256.
  bool EndsStream(char id) const {
    constexpr size_t kHead = 9;
    char bytes[16384];
    size_t size = 0;
    while (Hears(kPatienceMs)) {
      const ssize_t got = recv(fd_, bytes + size, sizeof bytes - size, 0);
      if (got <= 0) return true;
      size += static_cast<size_t>(got);
      while (size >= kHead) {
        const size_t frame = kHead + (static_cast<unsigned char>(bytes[1]) << 8) +
                             static_cast<unsigned char>(bytes[2]);
        if (size < frame) break;
        const bool is_its = bytes[8] == id && (bytes[3] == 1 || bytes[3] == 3);
        if (is_its || bytes[3] == 7) return true;  // HEADERS, RST_STREAM; GOAWAY.
        size -= frame;
        std::memmove(bytes, bytes + frame, size);
      }
    }
    return false;
  }
  // Whether the connection ends, whatever comes before.
  bool Ends() const {
    char bytes[4096];
    while (Hears(kPatienceMs)) {
      if (recv(fd_, bytes, sizeof bytes, 0) <= 0) return true;
    }
    return false;
  }

 private:
  const int fd_;
  bool is_connected_ = false;
};

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

void ExpectServed(const Running& running, size_t n) {
  const Client client(running.port);
  client.Send(kRequest);
  ASSERT_NE(client.Until("the answer").find("200 OK"), std::string::npos) << n;
}

void ExpectNoneOpen(Running& running) {
  const auto end = std::chrono::steady_clock::now() + milliseconds(kPatienceMs);
  while (running.Open() > 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(running.Open(), 0) << "a connection stays";
}

TEST(Exhaustion, WhoComesWhileThereIsNoMemoryKeepsNobodyOut) {
  Running running;
  ExpectServed(running, 0);
  FailEach(10, [&](size_t n) {
    bool failed = false, heard = false;
    {
      WatchedAllocations allocations({.at = n});
      const Client client(running.port);
      client.Send(kRequest);
      heard = client.Hears(kPatienceMs);
      failed = allocations.failed();
    }
    EXPECT_TRUE(heard) << n;
    ExpectServed(running, n);
    return failed;
  });
}

TEST(Exhaustion, ARequestIsAnsweredOrItsConnectionEnds) {
  Running running;
  FailEach(7, [&](size_t n) {
    const Client client(running.port);
    client.Send(kRequest);
    client.Until("the answer");
    running.Settle();
    bool failed = false, heard = false;
    {
      WatchedAllocations allocations({.at = n});
      client.Send(kRequest);
      heard = client.Hears(kPatienceMs);
      failed = allocations.failed();
    }
    EXPECT_TRUE(heard) << n;
    ExpectServed(running, n);
    return failed;
  });
}

TEST(Exhaustion, ARequestOfHttp2IsAnsweredOrItsStreamOrConnectionEnds) {
  Running running;
  const std::string ask = Frame(1, 4, 1, FieldBlock(Http2Client::Post("/"))) + Frame(0, 1, 1, "{}");
  const std::string again =
      Frame(1, 4, 3, FieldBlock(Http2Client::Post("/"))) + Frame(0, 1, 3, "{}");
  FailEach(20, [&](size_t n) {
    const Client client(running.port);
    client.Send(kPreface);
    client.Send(ask);
    EXPECT_NE(client.Until("the answer").find("the answer"), std::string::npos) << n;
    running.Settle();
    bool failed = false, heard = false;
    {
      WatchedAllocations allocations({.at = n});
      client.Send(again);
      heard = client.Hears(kPatienceMs);
      failed = allocations.failed();
    }
    EXPECT_TRUE(heard) << n;
    ExpectServed(running, n);
    return failed;
  });
  ExpectNoneOpen(running);
}

// Its room comes free while memory runs out: 34 others leave 8.8 KB of their client's part, one
// more 5 KB of the floor.
TEST(Exhaustion, ABodyOfHttp2ThatWaitsForRoomIsAnsweredOrItsStreamOrConnectionEnds) {
  Running running;
  const auto begin = [](int id, size_t length) {
    Fields head = Http2Client::Post("/");
    head.emplace_back("content-length", std::to_string(length));
    return Frame(1, 4, id, FieldBlock(head)) + Frame(0, 0, id, std::string(8'000, 'x'));
  };
  constexpr int kWaiting = 71;
  std::string sent = kPreface;
  for (int i = 0; i < 33; ++i) sent += begin(2 * i + 1, 2'000'000);
  sent += begin(67, 1'100'000) + begin(69, 60'000) + begin(kWaiting, 40'000);
  const std::string one_ends = Frame(3, 0, 1, std::string("\0\0\0\x8", 4));
  std::string rest;
  for (int left = 32'000; left > 0; left -= 8'000)
    rest += Frame(0, left == 8'000, kWaiting, std::string(8'000, 'x'));
  FailEach(20, [&](size_t n) {
    const Client client(running.port);
    client.Send(sent);
    running.Settle();
    bool failed = false, ends = false;
    {
      WatchedAllocations allocations({.at = n});
      client.Send(std::string_view(rest).substr(0, rest.size() / 4));  // While it waits.
      client.Send(one_ends);
      client.Send(std::string_view(rest).substr(rest.size() / 4));
      ends = client.EndsStream(kWaiting);
      failed = allocations.failed();
    }
    EXPECT_TRUE(ends) << n;
    return failed;
  });
  ExpectNoneOpen(running);
}

TEST(Exhaustion, ConnectionsOfHttp2ThatEndMeanwhileLeaveNothingBehind) {
  Running running;
  FailEach(4, [&](size_t n) {
    bool failed = false, heard = false;
    {
      const Client client(running.port);
      client.Send("PRI * HTTP/2.0\r\n");
      running.Settle();
      WatchedAllocations allocations({.at = n});
      client.Send(std::string_view(kPreface).substr(16));
      heard = client.Hears(kPatienceMs);
      failed = allocations.failed();
    }
    EXPECT_TRUE(heard) << n;
    ExpectServed(running, n);
    return failed;
  });
  ExpectNoneOpen(running);
}

}  // namespace
}  // namespace akin::server
