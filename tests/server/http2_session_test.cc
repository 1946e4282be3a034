#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "http2_session_fixture.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- Requests and answers ------------------------------------------------------------------------

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

// --- Windows -------------------------------------------------------------------------------------

TEST(Http2Session, ALongBodyComesThroughAWindowThatGrows) {
  Pair pair;
  const size_t size = size_t{5} << 20;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t id = pair.client.Ask(Http2Client::Post("/"), std::string(size, 'x'));
  int rounds = 0;
  std::vector<size_t> pieces;
  for (std::string said; !(said = pair.client.Take()).empty(); ++rounds) {
    pieces.push_back(said.size());
    pair.session.Receive(said, pair.now);
    pair.Reply();
  }
  EXPECT_EQ(pair.handler.seen.at(0)->body.size(), size);
  EXPECT_EQ(pair.client.answers[id].body, "fine");
  EXPECT_LT(pieces[0], Http2Session::kWindowBytes + 2000);
  EXPECT_GT(*std::max_element(pieces.begin(), pieces.end()), Http2Session::kMaxWindowBytes / 2);
}

TEST(Http2Session, WhatNobodyConsumesStopsTheClientAndWhatEndsMakesRoomForOthers) {
  Pair pair;
  pair.handler.consumes = false;
  for (int i = 0; i < 30; ++i)
    pair.client.Ask(Http2Client::Post("/"), std::string(size_t{1} << 20, 'x'));
  pair.Talk();
  size_t bytes = 0;
  for (const auto& seen : pair.handler.seen) {
    EXPECT_LE(seen->body.size(), Http2Session::kWindowBytes);
    bytes += seen->body.size();
  }
  EXPECT_LE(bytes, Http2Session::kConnectionWindowBytes);
  EXPECT_GT(bytes, Http2Session::kConnectionWindowBytes / 2);
  // All are given up, without their bytes consumed; the connection's window is whole again.
  for (const auto& seen : pair.handler.seen)
    if (seen->responder != nullptr) seen->responder->Reset(Http2Error::kCancel);
  pair.Talk();
  pair.handler.consumes = true;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t id = pair.client.Ask(Http2Client::Post("/"), std::string(size_t{3} << 20, 'x'));
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].body, "fine");
}

TEST(Http2Session, AnswersWaitForTheClientsWindows) {
  Pair pair(false);
  bool sent = false;
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.handler.seen.at(0)->responder->SendHead(200, {}, false);
  pair.handler.seen[0]->responder->SendData(std::string(100'000, 'x'), true, [&] { sent = true; });
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].body.size(), 65'535u);
  EXPECT_FALSE(sent);
  EXPECT_EQ(pair.handler.seen[0]->gone, 0);
  pair.session.Sweep(pair.now);
  pair.session.Sweep(pair.now + milliseconds(29'999));
  pair.Talk();
  EXPECT_EQ(pair.handler.seen[0]->gone, 0);
  pair.session.Sweep(pair.now + seconds(30));
  pair.Talk();
  EXPECT_EQ(pair.handler.seen[0]->gone, 1);
  EXPECT_FALSE(pair.handler.seen[0]->answered);
  EXPECT_FALSE(sent);
  EXPECT_EQ(pair.client.answers[id].error, static_cast<uint32_t>(Http2Error::kCancel));
  EXPECT_EQ(pair.session.num_timed_out(), 1);
  EXPECT_GE(pair.handler.seen[0]->sweeps, 3);
}

TEST(Http2Session, FillGivesLittleMoreThanItIsAskedFor) {
  Pair pair;
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  Answer(*pair.handler.seen.at(0), std::string(60'000, 'x'));
  while (pair.Reply(1000)) {
  }
  EXPECT_LT(pair.longest_fill, 1000u + 16'384 + 9);
  EXPECT_EQ(pair.client.answers[id].body.size(), 60'000u);
  EXPECT_TRUE(pair.handler.seen[0]->answered);
}

TEST(Http2Session, AnAnswerCountsAsTakenWhenTheSocketHasIt) {
  Pair pair;
  bool sent = false;
  pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  Seen& seen = *pair.handler.seen.at(0);
  seen.responder->SendHead(200, {}, false);
  seen.responder->SendData("x", true, [&] { sent = true; });
  std::string out;
  pair.session.Fill(out, 1 << 20);
  EXPECT_FALSE(sent || seen.gone > 0);
  EXPECT_EQ(pair.session.num_streams(), 1u);
  pair.session.Written();
  EXPECT_TRUE(sent && seen.answered);

  pair.client.Ask(Http2Client::Post("/"));
  ASSERT_TRUE(pair.client.Give(out));
  pair.Talk();
  Answer(*pair.handler.seen.at(1), "never arrives");
  out.clear();
  pair.session.Fill(out, 1 << 20);
  pair.session.Drop();
  EXPECT_EQ(pair.handler.seen[1]->gone, 1);
  EXPECT_FALSE(pair.handler.seen[1]->answered);
}

// --- Rest ----------------------------------------------------------------------------------------

TEST(Http2Session, StreamsThatRestAreNotAnswering) {
  Pair pair;
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  Http2Responder& news = *pair.handler.seen.at(0)->responder;
  EXPECT_EQ(pair.session.num_answering(), 2u);
  news.SetResting(true);
  news.SetResting(true);
  EXPECT_EQ(pair.session.num_answering(), 1u);
  EXPECT_EQ(pair.session.num_streams(), 2u);
  news.SendHead(200, {}, false);
  EXPECT_EQ(pair.session.num_answering(), 2u) << "there is something to send";
  news.SetResting(true);
  news.SendData("news", false, [&] { news.SetResting(true); });
  EXPECT_EQ(pair.session.num_answering(), 2u);
  pair.Talk();
  EXPECT_EQ(pair.session.num_answering(), 1u);
  pair.client.Reset(id);
  pair.Talk();
  EXPECT_EQ(pair.session.num_answering(), 1u);
  pair.handler.seen.at(1)->responder->SetResting(true);
  EXPECT_EQ(pair.session.num_answering(), 0u);
  pair.session.Drop();
  EXPECT_EQ(pair.session.num_answering(), 0u);
  EXPECT_EQ(pair.session.num_streams(), 0u);
}

TEST(Http2Session, StreamsThatBothSidesHaveEndedAreNotReset) {
  Pair pair;
  const int32_t id = pair.client.Begin(Http2Client::Post("/"), "x");
  pair.Talk();
  Answer(*pair.handler.seen.at(0), "no");
  pair.Talk();
  pair.client.More(id, "x", true);
  pair.Talk();
  EXPECT_TRUE(pair.client.answers[id].is_closed);
  pair.session.Sweep(pair.now + seconds(1));
  EXPECT_FALSE(pair.Reply()) << "there is nothing to say";
}

TEST(Http2Session, ClientsThatGoBeforeTheirAnswersAreCounted) {
  Pair pair;
  for (int i = 0; i < 3; ++i) pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.handler.seen.at(0)->responder->SetResting(true);
  pair.session.Drop(true);
  EXPECT_EQ(pair.session.num_left(), 2);
}

// --- Memory that runs out ------------------------------------------------------------------------

// Frees what is left at its end.
struct FailingMemory {
  ~FailingMemory() {
    for (void* const left : held) std::free(left);
  }
  bool Fails() { return at != 0 && ++count == at; }
  void* Keep(void* memory) {
    if (memory != nullptr) held.insert(memory);
    return memory;
  }
  static FailingMemory& Self(void* self) { return *static_cast<FailingMemory*>(self); }
  static void* Malloc(size_t size, void* self) {
    return Self(self).Fails() ? nullptr : Self(self).Keep(std::malloc(size));
  }
  static void Free(void* memory, void* self) {
    Self(self).held.erase(memory);
    std::free(memory);
  }
  static void* Calloc(size_t number, size_t size, void* self) {
    return Self(self).Fails() ? nullptr : Self(self).Keep(std::calloc(number, size));
  }
  static void* Realloc(void* memory, size_t size, void* self) {
    if (Self(self).Fails()) return nullptr;
    Self(self).held.erase(memory);
    return Self(self).Keep(std::realloc(memory, size));
  }

  size_t count = 0, at = 0;
  std::set<void*> held;
  nghttp2_mem mem{this, Malloc, Free, Calloc, Realloc};
};

// Each of nghttp2's allocations fails in turn: its client is answered or told, or the connection
// ends; nobody waits for ever.
TEST(Http2Session, AnAnswerForWhichNghttp2HasNoMemoryEndsItsStreamOrTheConnection) {
  size_t at = 1;
  for (bool failed = true; failed; ++at) {
    ASSERT_LT(at, 300u);
    FailingMemory memory;
    Pair pair(true, nullptr, &memory.mem);
    pair.Talk();
    const int32_t id = pair.client.Ask(Http2Client::Post("/"), "x");
    memory.at = at;
    pair.Talk();
    for (const auto& seen : pair.handler.seen) {
      if (seen->responder == nullptr) continue;
      seen->responder->SendHead(200, {{"x-a", "b"}}, false);
      if (seen->responder != nullptr) seen->responder->SendData("x", false, nullptr);
    }
    pair.Talk();
    for (const auto& seen : pair.handler.seen)
      if (seen->responder != nullptr) seen->responder->SendTrailers({{"x-c", "d"}});
    pair.Talk();
    failed = memory.count >= at;
    const auto& answer = pair.client.answers[id];
    EXPECT_TRUE(answer.has_ended || answer.is_closed || pair.session.is_over()) << at;
    const bool is_lost = !answer.has_ended && pair.handler.seen.size() == 1;
    EXPECT_FALSE(is_lost && pair.handler.seen[0]->answered) << at;
  }
  EXPECT_GT(at, 10u);
}

// --- Silence -------------------------------------------------------------------------------------

TEST(Http2Session, AClientThatIsSilentIsAskedAndThenGivenUp) {
  Pair pair;
  pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  const auto sweep = [&](milliseconds later) {
    pair.now += later;
    pair.session.Sweep(pair.now);
  };
  const auto asks = [&] {
    return pair.Reply() && pair.last_said.substr(3, 2) == std::string("\6\0", 2);
  };
  sweep(milliseconds(59'999));
  EXPECT_FALSE(pair.Reply());
  sweep(milliseconds(1));
  EXPECT_TRUE(asks());
  pair.Talk();  // It answers.
  sweep(milliseconds(59'999));
  EXPECT_FALSE(pair.Reply());
  sweep(milliseconds(1));
  EXPECT_TRUE(asks());
  pair.client.Take();  // On its way, for ever.
  sweep(milliseconds(19'999));
  EXPECT_EQ(pair.handler.seen.at(0)->gone, 0);
  sweep(milliseconds(1));
  EXPECT_EQ(pair.handler.seen.at(0)->gone, 1);
  EXPECT_TRUE(pair.session.is_over());
  EXPECT_EQ(pair.session.num_timed_out(), 1);
}

TEST(Http2Session, WithoutAStreamNobodyIsAsked) {
  Pair pair;
  pair.Talk();
  pair.session.Sweep(pair.now + seconds(3600));
  EXPECT_FALSE(pair.Reply());
  EXPECT_FALSE(pair.session.is_over());
}

// --- The end -------------------------------------------------------------------------------------

TEST(Http2Session, DrainingAnswersWhatHasBegunAndWhatIsUnderWay) {
  Pair pair;
  const int32_t first = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.session.Drain();
  pair.Talk();
  EXPECT_EQ(pair.client.goaways, 1);
  EXPECT_EQ(pair.client.last_stream, INT32_MAX);
  EXPECT_EQ(pair.client.goaway_error, 0u);
  pair.session.Sweep(pair.now);
  pair.Talk();
  EXPECT_EQ(pair.client.last_stream, first);
  EXPECT_FALSE(pair.session.is_over());
  Answer(*pair.handler.seen.at(0), "in the end");
  pair.Talk();
  EXPECT_EQ(pair.client.answers[first].body, "in the end");
  EXPECT_TRUE(pair.handler.seen[0]->answered);
  EXPECT_TRUE(pair.session.is_over());
}

TEST(Http2Session, DrainingAnIdleConnectionEndsIt) {
  Pair pair;
  pair.Talk();
  pair.session.Drain();
  pair.Talk();
  EXPECT_EQ(pair.client.goaways, 1);
  EXPECT_TRUE(pair.session.is_over());
}

TEST(Http2Session, RequestsThatAreResetAreDroppedAtOnce) {
  Pair pair;
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.client.Reset(id);
  pair.Talk();
  EXPECT_EQ(pair.handler.seen.at(0)->gone, 1);
  EXPECT_FALSE(pair.handler.seen[0]->answered);
  EXPECT_EQ(pair.session.num_left(), 1);
  EXPECT_EQ(pair.session.num_streams(), 0u);
}

TEST(Http2Session, EveryRequestIsToldItsEndOnceHoweverTheConnectionEnds) {
  Recorder handler;
  {
    Http2Session session(handler, {.peer = "somebody", .wake = nullptr});
    Http2Client client;
    for (int i = 0; i < 10; ++i) client.Ask(Http2Client::Post("/"), "x");
    session.Receive(client.Take(), TimePoint{seconds(1)});
    Answer(*handler.seen.at(0), "x");
  }
  for (const auto& seen : handler.seen) EXPECT_EQ(seen->gone, 1);
}

}  // namespace
}  // namespace akin::server
