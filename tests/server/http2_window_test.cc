// A session's windows, of requests and of answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "http2_session_fixture.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
  EXPECT_LT(pieces[0], Http2Stream::kWindowBytes + 2000);
  EXPECT_GT(*std::max_element(pieces.begin(), pieces.end()), Http2Stream::kMaxWindowBytes / 2);
}

TEST(Http2Session, WhatNobodyConsumesStopsTheClientAndWhatEndsMakesRoomForOthers) {
  Pair pair;
  pair.handler.consumes = false;
  for (int i = 0; i < 30; ++i)
    pair.client.Ask(Http2Client::Post("/"), std::string(size_t{1} << 20, 'x'));
  pair.Talk();
  size_t bytes = 0;
  for (const auto& seen : pair.handler.seen) {
    EXPECT_LE(seen->body.size(), Http2Stream::kWindowBytes);
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

// What of a connection counts for the rate of its streams (budgets/link_rate.h).
TEST(Http2Session, TimeInWhichOthersHoldTheWindowShutIsTold) {
  Pair pair;
  pair.handler.consumes = false;
  const auto sweep = [&](seconds later) {
    pair.now += later;
    pair.session.Sweep(pair.now);
    pair.Talk();
  };
  pair.client.Begin(Http2Client::Post("/"), std::string(1000, 'x'));
  pair.Talk();
  const Link& link = pair.handler.seen.at(0)->responder->link();
  EXPECT_GT(link.bytes(), 1000u);
  sweep(seconds(5));
  EXPECT_EQ(link.shut_time(), seconds(0));
  for (int i = 0; i < 20; ++i)
    pair.client.Begin(Http2Client::Post("/"), std::string(Http2Stream::kWindowBytes, 'x'));
  pair.Talk();
  EXPECT_GE(link.bytes(), Http2Session::kConnectionWindowBytes);
  sweep(seconds(1));
  sweep(seconds(2));
  EXPECT_EQ(link.shut_time(), seconds(3));
  EXPECT_EQ(link.unread_time(), seconds(3));
  for (const auto& seen : pair.handler.seen) seen->responder->Consume(seen->body.size());
  pair.Talk();
  sweep(seconds(0));
  sweep(seconds(8));
  EXPECT_EQ(link.shut_time(), seconds(3));
  pair.now += seconds(9);
  pair.session.HeldUp(seconds(9), pair.now);
  EXPECT_EQ(link.shut_time(), seconds(12));
}

TEST(Http2Session, AClientThatIsNotReadBecauseItTakesNothingIsTold) {
  Pair pair;
  pair.client.Begin(Http2Client::Post("/"), std::string(1000, 'x'));
  pair.Talk();
  const Link& link = pair.handler.seen.at(0)->responder->link();
  for (int i = 0; i < 300; ++i) pair.session.Receive(Frame(6, 0, 0, "12345678"), pair.now);
  EXPECT_TRUE(pair.session.is_clogged());
  pair.now += seconds(3);
  pair.session.Sweep(pair.now);
  EXPECT_EQ(link.unread_time(), seconds(3));
  EXPECT_EQ(link.shut_time(), seconds(0));
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

}  // namespace
}  // namespace akin::server
