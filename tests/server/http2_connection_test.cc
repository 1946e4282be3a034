// HTTP/2 through sockets of the loopback.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "http2_client.h"
#include "plain_handler.h"
#include "server/http2/connection.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;

// Of HTTP's own requests none is expected.
class NoHttp final : public PlainHandler {
 public:
  std::optional<HttpResponse> Screen(const HttpRequest&, const std::string&) override {
    return HttpResponse{.status = 404};
  }
};

Fields Grpc(std::string_view path) {
  Fields head = Http2Client::Post(path);
  head.emplace_back("content-type", "application/grpc");
  return head;
}

// Answers each request with its body: at /wait never, at /news it says so and rests, at /later from
// another thread.
class Echo final : public Http2Handler {
 public:
  std::unique_ptr<Http2StreamHandler> Begin(HttpRequest head, std::string, bool ends,
                                            Http2Responder& responder) override {
    ++begun;
    auto stream = std::make_unique<Stream>(*this, std::move(head.path), responder);
    if (ends) stream->OnEnd();
    return stream;
  }

  HttpServer* server = nullptr;
  std::atomic<int> begun{0}, gone{0}, answered{0};

 private:
  class Stream final : public Http2StreamHandler {
   public:
    Stream(Echo& echo, std::string path, Http2Responder& responder)
        : echo_(echo), path_(std::move(path)), responder_(responder) {}
    void OnData(std::string_view bytes) override {
      body_ += bytes;
      responder_.Consume(bytes.size());
    }
    void OnEnd() override {
      if (path_ == "/wait") return;
      if (path_ == "/news") {
        responder_.SendHead(200, {}, false);
        return responder_.SendData("news", false, [this] { responder_.SetResting(true); });
      }
      if (path_ != "/later") return Answer();
      std::thread([this, here = std::weak_ptr(here_), server = echo_.server] {
        std::this_thread::sleep_for(milliseconds(20));
        server->Post([this, here] {
          if (!here.expired()) Answer();
        });
      }).detach();
    }
    void OnGone(bool answered) override {
      ++echo_.gone;
      echo_.answered += answered;
    }
    void Sweep(std::chrono::steady_clock::time_point) override {}

   private:
    void Answer() {
      responder_.SendHead(200, {}, false);
      responder_.SendData(std::move(body_), true, nullptr);
    }

    Echo& echo_;
    const std::string path_;
    Http2Responder& responder_;
    std::string body_;
    const std::shared_ptr<int> here_ = std::make_shared<int>();
  };
};

struct Running {
  explicit Running(HttpOptions options = {}) {
    options.port = uint16_t{0};
    auto listening = HttpServer::Listen(options, http);
    EXPECT_TRUE(listening) << listening.error().message();
    server = std::move(*listening);
    echo.server = server.get();
    server->set_grpc(echo);
    port = server->port();
    loop = std::thread([this] { server->Run(); });
  }
  ~Running() {
    server->Post([this] { server->Stop(); });
    loop.join();
  }
  // Of the event loop, now.
  HttpCounts Counts() {
    std::atomic<bool> done = false;
    HttpCounts counts;
    server->Post([&] {
      counts = server->counts();
      done = true;
    });
    while (!done) std::this_thread::yield();
    return counts;
  }
  bool Comes(const std::function<bool()>& holds) {
    for (int i = 0; i < 3000 && !holds(); ++i) std::this_thread::sleep_for(milliseconds(10));
    return holds();
  }

  NoHttp http;
  Echo echo;
  std::unique_ptr<HttpServer> server;
  uint16_t port = 0;
  std::thread loop;
};

class Wire {
 public:
  explicit Wire(uint16_t port, int receive_bytes = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_bytes > 0)
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Wire() { close(fd_); }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Some bytes; none: the server has closed.
  std::string Receive() {
    std::string bytes(65536, '\0');
    const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }
  // Talks until that holds; false: the server closed before.
  bool Until(Http2Client& client, const std::function<bool()>& holds) {
    Send(client.Take());
    while (!holds()) {
      const std::string bytes = Receive();
      if (bytes.empty() || !client.Give(bytes)) return holds();
      Send(client.Take());
    }
    return true;
  }
  // Whether the server closes within the patience.
  bool Closes() {
    for (int i = 0; i < 10'000; ++i) {
      if (Receive().empty()) return true;
    }
    return false;
  }

 private:
  const int fd_;
};

TEST(Http2Connection, AnswersFromAnyThreadGoToTheirRequests) {
  Running running;
  Wire wire(running.port);
  Http2Client client;
  std::vector<int32_t> ids;
  for (int i = 0; i < 100; ++i)
    ids.push_back(client.Ask(Grpc(i % 2 != 0 ? "/later" : "/"), "text " + std::to_string(i)));
  EXPECT_TRUE(wire.Until(client, [&] {
    return std::ranges::all_of(ids, [&](int32_t id) { return client.answers[id].has_ended; });
  }));
  for (size_t i = 0; i < ids.size(); ++i)
    EXPECT_EQ(client.answers[ids[i]].body, "text " + std::to_string(i));
  EXPECT_TRUE(running.Comes([&] { return running.echo.answered == 100; }));
  EXPECT_EQ(running.Counts().under_way, 0);
}

TEST(Http2Connection, LongBodiesGoBothWays) {
  Running running;
  Wire wire(running.port);
  Http2Client client;
  const std::string body(size_t{20} << 20, 'x');
  const int32_t id = client.Ask(Grpc("/"), body);
  EXPECT_TRUE(wire.Until(client, [&] { return client.answers[id].has_ended; }));
  EXPECT_EQ(client.answers[id].body, body);
}

TEST(Http2Connection, StreamsThatWaitForNewsAreNotUnderWay) {
  Running running;
  Wire wire(running.port);
  Http2Client client;
  const int32_t id = client.Ask(Grpc("/news"));
  EXPECT_TRUE(wire.Until(client, [&] { return client.answers[id].body == "news"; }));
  EXPECT_TRUE(running.Comes([&] { return running.Counts().under_way == 0; }));
  const int32_t slow = client.Begin(Grpc("/wait"), "x");
  const int32_t quick = client.Ask(Grpc("/"), "x");
  EXPECT_TRUE(wire.Until(client, [&] { return client.answers[quick].has_ended; }));
  EXPECT_TRUE(running.Comes([&] { return running.Counts().under_way == 1; }));
  client.Reset(slow);
  wire.Send(client.Take());
  EXPECT_TRUE(running.Comes([&] { return running.Counts().under_way == 0; }));
}

TEST(Http2Connection, AClientThatGoesAwayDropsItsRequests) {
  Running running;
  {
    Wire wire(running.port);
    Http2Client client;
    client.Ask(Grpc("/wait"));
    client.Ask(Grpc("/wait"));
    wire.Send(client.Take());
    EXPECT_TRUE(running.Comes([&] { return running.echo.begun == 2; }));
    EXPECT_EQ(running.Counts().under_way, 2);
  }
  EXPECT_TRUE(running.Comes([&] { return running.echo.gone == 2; }));
  EXPECT_EQ(running.echo.answered, 0);
  EXPECT_TRUE(running.Comes([&] { return running.Counts().open == 0; }));
}

TEST(Http2Connection, DrainingAnswersWhatIsUnderWayAndThenEnds) {
  Running running;
  Wire idle(running.port), busy(running.port);
  Http2Client idle_client, client;
  idle.Send(idle_client.Take());
  const int32_t id = client.Ask(Grpc("/later"), "x");
  busy.Send(client.Take());
  EXPECT_TRUE(running.Comes([&] { return running.echo.begun == 1; }));
  running.server->Post([&] { running.server->Drain(); });
  EXPECT_TRUE(busy.Until(client, [&] { return client.answers[id].has_ended; }));
  EXPECT_EQ(client.answers[id].body, "x");
  EXPECT_TRUE(busy.Closes());
  EXPECT_GE(client.goaways, 1);
  EXPECT_TRUE(idle.Closes());
}

TEST(Http2Connection, WhoIsSlowToBeginOrIdleIsShown) {
  Running running({.header_timeout = milliseconds(400), .idle_timeout = milliseconds(1200)});
  Wire silent(running.port), half(running.port), block(running.port), idle(running.port);
  Http2Client idle_client;
  half.Send(kPreface.substr(0, 20));
  block.Send(kPreface + Frame(1, 0, 1, FieldBlock(Grpc("/"))));
  idle.Send(idle_client.Take());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(silent.Closes());
  EXPECT_TRUE(half.Closes());
  EXPECT_TRUE(block.Closes());
  EXPECT_TRUE(idle.Until(idle_client, [&] { return idle_client.goaways > 0; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(1200));
  EXPECT_EQ(idle_client.goaway_error, 0u);
  EXPECT_EQ(running.Counts().timed_out, 3);
}

TEST(Http2Connection, AClientThatReadsNothingEnds) {
  Running running({.write_timeout = milliseconds(600)});
  // Its windows are as wide as they get; its socket takes little.
  Wire wire(running.port, 4096);
  std::string wide = kPreface + Frame(4, 0, 0, std::string("\0\4\x7f\xff\xff\xff", 6)) +
                     Frame(8, 0, 0, std::string("\x7f\xff\0\0", 4));
  for (int32_t id = 1; id < 200; id += 2) {
    wide += Frame(1, 4, id, FieldBlock(Grpc("/")));
    for (int i = 0; i < 4; ++i) wide += Frame(0, i == 3 ? 1 : 0, id, std::string(16'000, 'x'));
  }
  const auto begin = std::chrono::steady_clock::now();
  std::thread sender([&] { wire.Send(wide); });
  EXPECT_TRUE(running.Comes([&] { return running.echo.begun > 10; }));
  EXPECT_TRUE(running.Comes([&] { return running.Counts().open == 0; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(600));
  EXPECT_EQ(running.echo.gone, running.echo.begun);
  EXPECT_GE(running.Counts().timed_out, 1);
  sender.join();
}

// Answers that are reset before they are written leave nothing to write.
TEST(Http2Connection, RapidResetsEndIt) {
  Running running;
  Wire wire(running.port);
  std::string resets = kPreface;
  for (int32_t id = 1; id < 4000; id += 2) {
    resets += Frame(1, 5, id, FieldBlock(Grpc("/")));
    resets += Frame(3, 0, id, std::string("\0\0\0\x08", 4));
  }
  wire.Send(resets);
  EXPECT_TRUE(wire.Closes());
  EXPECT_TRUE(running.Comes([&] { return running.Counts().open == 0; }));
  EXPECT_LT(running.echo.begun, 700);
  EXPECT_EQ(running.echo.gone, running.echo.begun);
  EXPECT_EQ(running.http.abuses, 1);
}

// A body in frames of one byte. Of 10,000 half are taken at once and the last read's, some 1,640,
// are not waited for any more.
TEST(Http2Connection, DataOfFewBytesIsReadSlowlyAndToTheEnd) {
  Running running;
  Wire wire(running.port);
  Http2Client client;
  const int32_t id = client.Ask(Grpc("/"));
  EXPECT_TRUE(wire.Until(client, [&] { return client.answers[id].has_ended; }));
  const int32_t next = id + 2;
  std::string bytes = Frame(1, 4, next, FieldBlock(Grpc("/")));
  for (int i = 0; i < 10'000; ++i) bytes += Frame(0, 0, next, "x");
  const auto begin = std::chrono::steady_clock::now();
  std::thread sender([&] { wire.Send(bytes + Frame(0, 1, next, {})); });
  client.Ask(Grpc("/never-sent"));  // So that the client knows the stream.
  client.Take();
  EXPECT_TRUE(wire.Until(client, [&] { return client.answers[next].has_ended; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(1600));
  EXPECT_EQ(client.answers[next].body, std::string(10'000, 'x'));
  sender.join();
}

TEST(Http2Connection, WhatIsNoHttp2IsTold) {
  Running running;
  Wire wire(running.port);
  wire.Send(kPreface + Frame(6, 0, 0, "1234"));
  EXPECT_TRUE(wire.Closes());
  EXPECT_TRUE(running.Comes([&] { return running.http.malformed == 1; }));
  EXPECT_EQ(running.Counts().refused, 1);
}

TEST(Http2Connection, APortThatIsTakenIsAnErrorThatNamesTheOption) {
  Running running;
  NoHttp http;
  auto other = HttpServer::Listen({.port = uint16_t{0}}, http);
  ASSERT_TRUE(other);
  const auto port = (*other)->ListenForGrpc(running.port);
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().message(),
            "--grpc-port: cannot listen on 127.0.0.1:" + std::to_string(running.port) +
                " for gRPC: Address already in use");
}

}  // namespace
}  // namespace akin::server
