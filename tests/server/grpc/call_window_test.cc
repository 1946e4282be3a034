// Calls on connections whose windows they share: who waits for room keeps none of them from those
// who have it.
#include <gtest/gtest.h>

#include <deque>

#include "../http2_client.h"
#include "calls_fixture.h"
#include "server/http2/session.h"

namespace akin::server {
namespace {

using std::chrono::seconds;

// Calls of 128 KiB of one client: 170 have room, the others wait, each with up to 64 KiB unread, of
// which all together may have 6 MiB and their connections' windows.
class CallWindow : public CallTest, private Http2Handler {
 protected:
  static constexpr size_t kConnections = 4, kCalls = 100;  // Of each.
  static constexpr size_t kUnread = size_t{6} << 20, kBytes = size_t{128} << 10;

  struct Connection {
    Connection(Http2Handler& handler, StreamBudget& streams)
        : session(handler, {.peer = "somebody", .streams = &streams}) {}
    Http2Client client;
    Http2Session session;
    std::vector<int32_t> ids;
  };

  CallWindow() {
    method_.operation = [](const CallInfo&, std::span<const std::string>, const ReplyPtr& reply) {
      reply->Answer(grpc::health::v1::HealthCheckRequest());
    };
    for (size_t i = 0; i < kConnections; ++i)
      connections_.emplace_back(static_cast<Http2Handler&>(*this), streams_);
  }

  // Of each call so many bytes of its message.
  void BeginAll(size_t bytes) {
    for (size_t i = 0; i < kCalls; ++i) {
      for (Connection& each : connections_)
        each.ids.push_back(each.client.Begin(Http2Client::Post("/"), message_.substr(0, bytes)));
      Talk();
    }
  }
  void SendRest(Connection& on, int32_t id, size_t from) {
    on.client.More(id, message_.substr(from), true);
  }
  // Both ways, the connections in turns, as long as there is something.
  void Talk() {
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (Connection& each : connections_) {
        const std::string said = each.client.Take();
        if (!said.empty()) each.session.Receive(said, now_);
        loop_.Run();
        std::string out;
        each.session.Fill(out, 1 << 20);
        ASSERT_TRUE(each.client.Give(out));
        each.session.Written();
        goes_on = goes_on || !said.empty() || !out.empty();
        EXPECT_LE(streams_.held_bytes(), kUnread);
      }
    }
  }
  std::string StatusOf(Connection& on, int32_t id) {
    for (const auto& [name, value] : on.client.answers[id].trailers) {
      if (name == "grpc-status") return value;
    }
    return {};
  }
  size_t NumThatHave(const std::string& status) {
    size_t count = 0;
    for (Connection& each : connections_) {
      for (const int32_t id : each.ids) count += StatusOf(each, id) == status;
    }
    return count;
  }
  // Beside those that have room as many as the budget keeps: a stream costs something, and who
  // waits all of its window.
  void ExpectAllAnsweredThatAreKept() {
    constexpr size_t kAll = kConnections * kCalls;
    constexpr size_t kWithRoom = (size_t{44} << 20) / 2 / (kBytes + 64);
    constexpr size_t kKept = (kUnread - kAll * Http2Stream::kBytes) / Http2Stream::kWindowBytes;
    EXPECT_EQ(NumThatHave("0") + NumThatHave("8"), kAll);
    EXPECT_GE(NumThatHave("0"), kWithRoom + kKept);
    EXPECT_GT(NumThatHave("8"), 0U) << "no window was full";
  }

  Method method_{.name = {"a.Service", "Method"}, .most_messages = 1};
  const std::string message_ = Framed(std::string(kBytes, 'x'));
  StreamBudget streams_{2 * kUnread, 2 * kUnread};
  Http2Session::TimePoint now_{seconds(1000)};
  std::deque<Connection> connections_;

 private:
  std::unique_ptr<Http2StreamHandler> Begin(HttpRequest, std::string, bool,
                                            Http2Responder& responder) override {
    return std::make_unique<CallStream>(std::make_shared<AnsweredCall>(
        environment_, method_, InfoOf("a", "the-id"), Encoding::kIdentity, responder));
  }
};

TEST_F(CallWindow, WhoHasRoomGetsItsBytesWhenFramesComeInTurns) {
  BeginAll(0);
  for (Connection& each : connections_) {
    for (const int32_t id : each.ids) SendRest(each, id, 0);
  }
  Talk();
  ExpectAllAnsweredThatAreKept();
}

TEST_F(CallWindow, WhoHasRoomGetsItsBytesBehindThoseThatWait) {
  constexpr size_t kFirst = 8'000;
  BeginAll(kFirst);
  ASSERT_GT(environment_.messages.held_bytes(), size_t{21} << 20) << "170 have room";
  for (size_t i = kCalls; i-- > 0;) {
    for (Connection& each : connections_) SendRest(each, each.ids[i], kFirst);
    Talk();
  }
  ExpectAllAnsweredThatAreKept();
}

}  // namespace
}  // namespace akin::server
