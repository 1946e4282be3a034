// Bodies of HTTP's requests that come by HTTP/2, on a clock that is set: how slow they may be.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "grpc/fake_stream.h"
#include "plain_handler.h"
#include "server/http2/requests.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// No more of it than what requests ask.
class FakeServer final : public HttpServer {
 public:
  void set_grpc(Http2Handler&) override {}
  Result<uint16_t> ListenForGrpc(uint16_t port) override { return port; }
  uint16_t port() const override { return 0; }
  void Run() override { loop.Run(); }
  HttpCounts counts() const override { return {}; }
  void OnSignals(std::function<void(int)>) override {}
  void Every(milliseconds, std::function<void()>) override {}
  void After(milliseconds, std::function<void()>) override {}
  void Drain() override {}
  void Settle(std::function<void(bool)> call) override { loop.Settle()(std::move(call)); }
  void Post(std::function<void()> call) override { loop.Post()(std::move(call)); }
  void Stop() override {}

  FakeLoop loop;
};

class Http2Bodies : public testing::Test {
 protected:
  struct Request {
    FakeResponder responder;
    std::unique_ptr<Http2StreamHandler> stream;
  };

  ~Http2Bodies() override {
    for (const auto& each : requests_) each->stream->OnGone(false);
    requests_.clear();
    server_.Run();
    EXPECT_EQ(shared_.bodies.held_bytes(), 0u);
  }

  // A request of which the head has come.
  Request& Begin(size_t length) {
    requests_.push_back(std::make_unique<Request>());
    Request& request = *requests_.back();
    HttpRequest head;
    head.method = "POST";
    head.path = "/";
    head.headers.push_back({"content-length", std::to_string(length)});
    request.stream = handler_.Begin(std::move(head), "somebody", false, request.responder);
    return request;
  }
  // At a time behind the beginning; so much has come since the last one, of other streams.
  void Sweep(milliseconds later, size_t bytes = 0) {
    for (const auto& each : requests_) {
      each->responder.connection_link.Arrived(bytes);
      each->stream->Sweep(begin_ + later);
    }
    server_.Run();
  }
  size_t NumThatHave(int status) const {
    return std::ranges::count_if(
        requests_, [&](const auto& each) { return each->responder.status == status; });
  }

  const HttpOptions options_{.max_body_bytes = BodyRooms::kMostBodyBytes};
  PlainHandler http_;
  HttpCounts counts_;
  ServedShared shared_{.options = options_, .handler = http_, .counts = counts_};
  FakeServer server_;
  Http2Requests handler_{shared_, server_};
  std::vector<std::unique_ptr<Request>> requests_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

TEST_F(Http2Bodies, ABodyIsNotLateWhileOthersOfItsConnectionCome) {
  for (int i = 0; i < 100; ++i) Begin(60'000);
  for (int i = 0; i < 50; ++i) requests_[i]->stream->OnData("x");
  for (int second = 1; second <= 45; ++second) Sweep(seconds(second), size_t{2} << 10);
  EXPECT_EQ(NumThatHave(408), 0u);
  Sweep(milliseconds(54'900));
  EXPECT_EQ(NumThatHave(408), 0u);
  Sweep(milliseconds(55'100));
  EXPECT_EQ(NumThatHave(408), 100u) << "their connection is silent";
}

TEST_F(Http2Bodies, ABodyOfWhichNothingComesForVeryLongIsLateWhateverElseDoes) {
  EXPECT_EQ(options_.body_silence, std::chrono::minutes(5));  // As docs/serving.md has it.
  Begin(60'000);
  for (int second = 1; second < 300; ++second) Sweep(seconds(second), size_t{100} << 10);
  EXPECT_EQ(NumThatHave(408), 0u);
  Sweep(milliseconds(300'100), size_t{100} << 10);
  EXPECT_EQ(NumThatHave(408), 1u);
}

// One has all that there is for its client, and others wait for it.
class Http2BodiesInRoom : public Http2Bodies {
 protected:
  Http2BodiesInRoom() {
    Begin(BodyRooms::kMostBodyBytes).stream->OnData(std::string(60'000, 'x'));
    Begin(100'000).stream->OnData(std::string(60'000, 'x'));
    EXPECT_EQ(requests_[0]->responder.consumed, 60'000u);
    EXPECT_EQ(requests_[1]->responder.consumed, 0u);
  }
  // Whoever has the room gives it to the other one at the first sweep behind `when`.
  void ExpectTooSlowAt(milliseconds when, size_t bytes = 1024) {
    Sweep(when - milliseconds(100), bytes);
    EXPECT_EQ(NumThatHave(408), 0u);
    Sweep(when + milliseconds(500), bytes);
    EXPECT_EQ(requests_[0]->responder.status, 408);
    EXPECT_EQ(requests_[1]->responder.consumed, 60'000u);
  }
  Link& link() { return requests_[0]->responder.connection_link; }
};

TEST_F(Http2BodiesInRoom, WhoHasRoomMustSendWhateverElseComes) {
  ExpectTooSlowAt(seconds(5), size_t{1} << 20);
}

TEST_F(Http2BodiesInRoom, ButNotWhileItsConnectionsWindowIsShut) {
  link().SetState(Link::State::kShut, begin_);
  for (int i = 1; i <= 20; ++i) {
    link().SetState(Link::State::kShut, begin_ + milliseconds(200 * i));
    Sweep(milliseconds(200 * i), 1024);
  }
  link().SetState(Link::State::kOpen, begin_ + seconds(4));
  ExpectTooSlowAt(seconds(9));
}

// Who keeps it shut himself would have the room for ever.
TEST_F(Http2BodiesInRoom, AndNotForLongThen) {
  link().SetState(Link::State::kShut, begin_);
  for (milliseconds later(200); later < milliseconds(9'500); later += milliseconds(200)) {
    link().SetState(Link::State::kShut, begin_ + later);
    Sweep(later, 1024);
    EXPECT_TRUE(later >= seconds(9) || NumThatHave(408) == 0) << later.count();
  }
  EXPECT_EQ(requests_[0]->responder.status, 408);
  EXPECT_EQ(requests_[1]->responder.consumed, 60'000u);
}

TEST_F(Http2BodiesInRoom, NorWhileTheEventLoopWasHeldUp) {
  link().HeldUp(seconds(4), begin_ + seconds(4));
  Sweep(milliseconds(4'200), 1024);
  ExpectTooSlowAt(seconds(9));
}

TEST_F(Http2BodiesInRoom, ThatItTakesNothingOfWhatWeSayIsItsOwnFault) {
  link().SetState(Link::State::kUnread, begin_);
  link().SetState(Link::State::kUnread, begin_ + seconds(5));
  Sweep(milliseconds(5'500));
  EXPECT_EQ(requests_[0]->responder.status, 408);
}

}  // namespace
}  // namespace akin::server
