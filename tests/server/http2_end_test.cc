// Streams of a session that rest, are silent or go, and how the session ends.
#include <gtest/gtest.h>

#include <string>

#include "http2_session_fixture.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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

TEST(Silence, WhoWasAskedAndThenNotWaitedForIsAskedAgain) {
  using Verdict = Silence::Verdict;
  const TimePoint begin{seconds(1000)};
  Silence silence;
  silence.Heard(begin);
  EXPECT_EQ(silence.Look(begin + seconds(60), true), Verdict::kAsk);
  EXPECT_EQ(silence.Look(begin + seconds(61), true), Verdict::kGoOn);
  EXPECT_EQ(silence.Look(begin + seconds(62), false), Verdict::kGoOn);
  EXPECT_EQ(silence.Look(begin + seconds(121), true), Verdict::kGoOn);
  EXPECT_EQ(silence.Look(begin + seconds(142), true), Verdict::kAsk) << "and not given up";
  EXPECT_EQ(silence.Look(begin + seconds(143), true), Verdict::kGiveUp);
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
