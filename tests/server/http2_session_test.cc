// Requests and answers through a session.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http2_session_fixture.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;

TEST(Http2Session, ARequestGoesToTheHandlerAndItsAnswerBack) {
  Pair pair;
  Fields head = Http2Client::Post("/embed?a=b");
  head.emplace_back("x-Own", "value");  // nghttp2 sends it in lower case.
  head.back().first = "x-own";
  const int32_t id = pair.client.Ask(head, "the body");
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "the answer"); };
  pair.Talk();
  ASSERT_EQ(pair.handler.seen.size(), 1u);
  const Seen& seen = *pair.handler.seen[0];
  EXPECT_EQ(seen.head.method, "POST");
  EXPECT_EQ(seen.head.path, "/embed");
  EXPECT_EQ(seen.head.query, "a=b");
  EXPECT_EQ(seen.head.header("host"), "localhost");
  EXPECT_EQ(seen.head.header("x-own"), "value");
  EXPECT_FALSE(seen.ends_at_once);
  EXPECT_EQ(seen.body, "the body");
  EXPECT_TRUE(seen.has_ended);
  EXPECT_EQ(seen.gone, 1);
  EXPECT_TRUE(seen.answered);
  const auto& answer = pair.client.answers[id];
  EXPECT_EQ(answer.head, (Fields{{":status", "200"}, {"x-a", "b"}}));
  EXPECT_EQ(answer.body, "the answer");
  EXPECT_TRUE(answer.has_ended && answer.is_closed);
  EXPECT_EQ(answer.error, 0u);
  EXPECT_EQ(pair.session.num_streams(), 0u);
}

TEST(Http2Session, ARequestWithoutABodyEndsWithItsHead) {
  Pair pair;
  pair.handler.on_end = [](Seen& seen) { seen.responder->SendHead(204, {}, true); };
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  EXPECT_TRUE(pair.handler.seen.at(0)->ends_at_once);
  EXPECT_FALSE(pair.handler.seen[0]->has_ended) << "OnEnd is not called";
  EXPECT_EQ(pair.client.answers[id].status(), "204");
  EXPECT_TRUE(pair.client.answers[id].has_ended);
}

TEST(Http2Session, AnswersEndWithTrailersWhateverIsBeforeThem) {
  for (const int chunks : {0, 1, 3}) {
    for (const bool at_once : {true, false}) {
      Pair pair;
      int sent = 0;
      const int32_t id = pair.client.Ask(Http2Client::Post("/"), "x");
      pair.Talk();
      Http2Responder& responder = *pair.handler.seen.at(0)->responder;
      responder.SendHead(200, {}, false);
      for (int i = 0; i < chunks; ++i) {
        if (!at_once) pair.Talk();
        responder.SendData("chunk", false, [&] { ++sent; });
      }
      if (!at_once) pair.Talk();
      responder.SendTrailers({{"grpc-status", "0"}});
      pair.Talk();
      const auto& answer = pair.client.answers[id];
      EXPECT_EQ(answer.trailers, (Fields{{"grpc-status", "0"}}));
      EXPECT_EQ(answer.body.size(), static_cast<size_t>(5 * chunks));
      EXPECT_EQ(sent, chunks);
      EXPECT_TRUE(answer.has_ended);
      EXPECT_TRUE(pair.handler.seen[0]->answered);
      EXPECT_EQ(pair.client.data_frames, static_cast<size_t>(at_once ? chunks != 0 : chunks));
    }
  }
}

TEST(Http2Session, TrailersNeedNoWindow) {
  Pair pair(false);
  const int32_t large = pair.client.Ask(Http2Client::Post("/"), "x");
  const int32_t refused = pair.client.Ask(Http2Client::Post("/"), "x");
  pair.Talk();
  pair.handler.seen.at(0)->responder->SendHead(200, {}, false);
  pair.handler.seen[0]->responder->SendData(std::string(65'535, 'x'), false, [] {});
  pair.Talk();  // That was the window of the stream and of the connection.
  pair.handler.seen.at(1)->responder->SendHead(200, {}, false);
  pair.handler.seen[1]->responder->SendTrailers({{"grpc-status", "8"}});
  pair.handler.seen[0]->responder->SendTrailers({{"grpc-status", "0"}});
  pair.Talk();
  EXPECT_EQ(pair.client.answers[refused].trailers, (Fields{{"grpc-status", "8"}}));
  EXPECT_EQ(pair.client.answers[large].trailers, (Fields{{"grpc-status", "0"}}));
  EXPECT_EQ(pair.client.answers[large].body.size(), 65'535U);
  EXPECT_TRUE(pair.handler.seen[0]->answered && pair.handler.seen[1]->answered);
}

TEST(Http2Session, AFieldThatIsNamedAgainAndAgainIsNotReadToTheEnd) {
  Pair pair;
  std::string block =
      FieldBlock({{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}});
  // "x" with 4,000 bytes, into the table; then by its number.
  block += std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(4000, 'v') +
           std::string(10'000, '\xbe');
  EXPECT_TRUE(pair.session.Receive(kPreface + Frame(1, 5, 1, block), pair.now));
  pair.Reply();
  EXPECT_TRUE(pair.handler.seen.empty());
  EXPECT_NE(pair.last_said.find(Frame(3, 0, 1, std::string("\0\0\0\x02", 4))), std::string::npos)
      << "the stream is reset";
}

TEST(Http2Session, WhatEveryAnswerHasIsSentOnceWhateverElseTheyHave) {
  Pair pair;
  const std::string same(200, 'v');
  for (int i = 0; i < 300; ++i) {
    pair.client.Ask(Http2Client::Post("/"));
    pair.Talk();
    const std::string id = std::to_string(1'000'000 + i);
    pair.handler.seen.back()->responder->SendHead(
        200, {{"x-same", same}, {"x-request-id", id + id + id + id}}, true);
    pair.Talk();
    EXPECT_LT(pair.last_said.size(), i == 0 ? 300u : 100u) << i;
    const auto& head = pair.client.answers[2 * i + 1].head;
    EXPECT_EQ(head.at(1).second, same);
    EXPECT_EQ(head.at(2).second, id + id + id + id);
  }
}

TEST(Http2Session, EmptyChunksAreSentToo) {
  Pair pair;
  int sent = 0;
  const auto count = [&] { ++sent; };
  const int32_t first = pair.client.Ask(Http2Client::Post("/"));
  const int32_t second = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.handler.seen.at(0)->responder->SendHead(200, {}, false);
  pair.handler.seen[0]->responder->SendData("", true, count);
  pair.handler.seen.at(1)->responder->SendHead(200, {}, false);
  pair.handler.seen[1]->responder->SendData("", false, count);
  pair.handler.seen[1]->responder->SendTrailers({{"a", "b"}});
  pair.Talk();
  EXPECT_EQ(sent, 2);
  EXPECT_TRUE(pair.client.answers[first].has_ended && pair.client.answers[second].has_ended);
}

TEST(Http2Session, AnInterimAnswerIsFollowedByTheAnswer) {
  Pair pair;
  const int32_t id = pair.client.Begin(Http2Client::Post("/"));
  pair.Talk();
  pair.handler.seen.at(0)->responder->SendHead(100, {}, false);
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].status(), "100");
  pair.client.answers[id].head.clear();
  Answer(*pair.handler.seen[0], "after all");
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].status(), "200");
  EXPECT_EQ(pair.client.answers[id].body, "after all");
}

TEST(Http2Session, AnswersOfOneMomentGoOutInOneWrite) {
  Pair pair;
  for (int i = 0; i < 50; ++i) pair.client.Ask(Http2Client::Post("/"), "x");
  pair.Talk();
  pair.writes = 0;
  for (const auto& seen : pair.handler.seen) Answer(*seen, std::string(100, 'x'));
  pair.Talk();
  EXPECT_EQ(pair.writes, 1);
  for (const auto& seen : pair.handler.seen) EXPECT_TRUE(seen->answered);
}

TEST(Http2Session, AnAnswerBeforeTheBodyStopsTheBodyAfterAMoment) {
  Pair pair;
  const int32_t id = pair.client.Begin(Http2Client::Post("/"), std::string(1000, 'x'));
  const int32_t soon = pair.client.Begin(Http2Client::Post("/"), std::string(1000, 'x'));
  pair.Talk();
  for (const auto& seen : pair.handler.seen) Answer(*seen, "no");
  pair.Talk();
  const auto& answer = pair.client.answers[id];
  EXPECT_EQ(answer.body, "no");
  EXPECT_TRUE(pair.handler.seen[0]->answered);
  EXPECT_EQ(pair.session.num_streams(), 0u);
  // What still comes reaches nobody, and no more than the window of it.
  pair.client.More(id, std::string(100'000, 'x'), false);
  pair.client.More(soon, "x", true);
  pair.Talk();
  EXPECT_EQ(pair.handler.seen[0]->body.size(), 1000u);
  EXPECT_TRUE(pair.client.answers[soon].is_closed);
  EXPECT_FALSE(answer.is_closed);
  pair.session.Sweep(pair.now + milliseconds(499));
  pair.Talk();
  EXPECT_FALSE(answer.is_closed);
  pair.session.Sweep(pair.now + milliseconds(500));
  pair.Talk();
  EXPECT_TRUE(answer.is_closed);
  EXPECT_EQ(answer.error, 0u);
  EXPECT_EQ(pair.session.num_left(), 0);
  // The connection's window is whole.
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t next = pair.client.Ask(Http2Client::Post("/"), std::string(size_t{3} << 20, 'x'));
  pair.Talk();
  EXPECT_EQ(pair.client.answers[next].body, "fine");
}

TEST(Http2Session, AHandlerThatThrowsCostsItsStreamOnly) {
  Pair pair;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t at_once = pair.client.Ask(Http2Client::Post("/throw"));
  const int32_t null = pair.client.Ask(Http2Client::Post("/null"));
  const int32_t in_body = pair.client.Ask(Http2Client::Post("/"), "throw");
  const int32_t fine = pair.client.Ask(Http2Client::Post("/"), "x");
  pair.Talk();
  EXPECT_EQ(pair.client.answers[at_once].status(), "500");
  EXPECT_EQ(pair.client.answers[null].error, static_cast<uint32_t>(Http2Error::kInternalError));
  EXPECT_EQ(pair.client.answers[in_body].status(), "500");
  EXPECT_EQ(pair.client.answers[fine].body, "fine");
}

TEST(Http2Session, WhatFailsIsSaidByTheOneWhoseRequestItIs) {
  Pair pair;
  Recorder other;
  pair.handler.other = &other;
  const auto ask = [&](std::string_view path, std::string body) {
    return pair.client.Ask(With(Http2Client::Post(path), "content-type", "other"), std::move(body));
  };
  for (const int32_t id : {ask("/throw", "x"), ask("/throw", ""), ask("/", "throw"),
                           ask("relative?", "x"), ask("/" + std::string(9000, 'a'), "x")}) {
    const int before = other.refused;
    pair.Talk();
    EXPECT_EQ(other.refused, before + (before == 0 ? 4 : 0)) << id;
  }
  EXPECT_EQ(pair.handler.refused, 0);
  EXPECT_TRUE(pair.handler.seen.empty());
  // One is nghttp2's to reset; the others had an answer, once.
  int answered = 0;
  for (const auto& [id, answer] : pair.client.answers) answered += answer.has_ended;
  EXPECT_EQ(answered, 4);
}

TEST(Http2Session, AHandlerThatCannotEvenRefuseCostsItsStreamOnly) {
  Pair pair;
  pair.handler.refusing_throws = true;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t at_once = pair.client.Ask(Http2Client::Post("/throw"));
  const int32_t in_body = pair.client.Ask(Http2Client::Post("/"), "throw");
  const int32_t malformed = pair.client.Ask(With(Http2Client::Post("/"), "host", "other"));
  const int32_t later = pair.client.Begin(Http2Client::Post("/throw-later"), "x");
  const int32_t fine = pair.client.Begin(Http2Client::Post("/"), "x");
  pair.Talk();
  pair.session.Sweep(pair.now);
  pair.client.More(fine, "y", true);
  pair.Talk();
  const auto failed = static_cast<uint32_t>(Http2Error::kInternalError);
  for (const int32_t id : {at_once, in_body, malformed, later})
    EXPECT_EQ(pair.client.answers[id].error, failed) << id;
  EXPECT_EQ(pair.client.answers[fine].body, "fine");
  EXPECT_EQ(pair.handler.seen.back()->sweeps, 1) << "those behind one that throws are swept";
}

TEST(Http2Session, OfAStreamThatHasEndedNothingIsToldAsSent) {
  Pair pair(false);
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  int sent = 0;
  for (const auto& seen : pair.handler.seen) {
    seen->responder->SendHead(200, {}, false);
    seen->responder->SendData("x", false, [&] { ++sent; });
  }
  std::string out;
  pair.session.Fill(out, 1 << 20);
  // While it is being written the client resets one of them.
  pair.client.Reset(id);
  pair.session.Receive(pair.client.Take(), pair.now);
  EXPECT_EQ(pair.handler.seen[0]->gone, 1);
  pair.session.Written();
  EXPECT_EQ(sent, 1);
}

}  // namespace
}  // namespace akin::server
