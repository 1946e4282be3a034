// Streams of sessions and the budget that all of them share.
#include <gtest/gtest.h>

#include <string>

#include "http2_session_fixture.h"
#include "server/budgets/stream_budget.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr auto kRefused = static_cast<uint32_t>(Http2Error::kRefusedStream);
constexpr auto kCalm = static_cast<uint32_t>(Http2Error::kEnhanceYourCalm);

TEST(Http2Session, StreamsForWhichThereIsNoRoomAreRefusedAndMayBeAskedAgain) {
  // With heads of some 200 bytes.
  StreamBudget budget(0, 0);
  Pair pair(true, &budget);
  for (int i = 0; i < 16; ++i) pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  EXPECT_EQ(pair.handler.seen.size(), 11u);
  EXPECT_EQ(pair.session.num_streams_refused(), 5);
  EXPECT_EQ(pair.client.answers[31].error, kRefused);
  for (const auto& seen : pair.handler.seen) Answer(*seen, "x");
  pair.Talk();
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "taken"); };
  const int32_t again = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  EXPECT_EQ(pair.client.answers[again].body, "taken");
}

TEST(Http2Session, LongHeadsCountAsLongAsTheyAreKept) {
  StreamBudget budget(kMiB, kMiB);
  Pair pair(true, &budget);
  Fields head = Http2Client::Post("/");
  head.emplace_back("x", std::string(10'000, 'v'));
  pair.client.Ask(head);
  pair.Talk();
  EXPECT_GT(budget.held_bytes(), Http2Stream::kBytes + 10'000);
  pair.handler.seen.at(0)->responder->LetGoOfHead();
  EXPECT_EQ(budget.held_bytes(), Http2Stream::kBytes);
  pair.session.Drop();
  EXPECT_EQ(budget.held_bytes(), 0u);
}

// Clients of one address, each on a connection of its own: one may hold all that it gets.
TEST(Http2Session, WhoFillsTheBudgetWithWhatNeedsNoKeyKeepsNobodyOut) {
  StreamBudget budget(4 * kMiB, kMiB);
  std::vector<std::unique_ptr<Pair>> greedy;
  int64_t refused = 0;
  for (int i = 0; i < 5; ++i) {
    greedy.push_back(std::make_unique<Pair>(true, &budget));
    Pair& pair = *greedy.back();
    for (int k = 0; k < 100; ++k) pair.client.Ask(Http2Client::Post("/"));
    pair.handler.on_end = [](Seen& seen) {
      seen.responder->LetGoOfHead();
      seen.responder->SetKeyless();
      seen.responder->SetResting(true);
    };
    pair.Talk();
    refused += pair.session.num_streams_refused();
  }
  EXPECT_GT(refused, 300);
  EXPECT_LE(budget.held_bytes(), kMiB / 2);
  Pair honest(true, &budget);
  for (int i = 0; i < 100; ++i) honest.client.Ask(Http2Client::Post("/"));
  honest.Talk();
  EXPECT_EQ(honest.handler.seen.size(), 100u);
  EXPECT_EQ(honest.session.num_streams_refused(), 0);
}

TEST(Http2Session, StreamsWhoseClientsAreWaitedForMakeRoom) {
  StreamBudget budget(4 * kMiB, kMiB / 2);
  Pair pair(true, &budget);
  for (int i = 0; i < 100; ++i) pair.client.Begin(Http2Client::Post("/"));
  pair.Talk();
  ASSERT_EQ(pair.handler.seen.size(), 100u);
  for (const auto& seen : pair.handler.seen) seen->responder->SetResting(true);
  const auto sweep = [&](milliseconds later) {
    pair.now += later;
    pair.session.Sweep(pair.now);
    pair.Talk();
  };
  sweep(milliseconds(0));
  sweep(milliseconds(999));
  EXPECT_EQ(pair.session.num_streams(), 100u);
  EXPECT_EQ(budget.idle_bytes(), 0u);
  sweep(milliseconds(1));
  // 256 KiB of 8 KiB and a head each, and on the floor 24.
  EXPECT_GE(pair.session.num_streams(), 30u);
  EXPECT_LE(pair.session.num_streams(), 34u);
  EXPECT_EQ(pair.client.answers[199].error, kRefused);
  EXPECT_LE(budget.idle_bytes(), 256 * kKiB);
  // What goes on is idle no longer.
  for (const auto& seen : pair.handler.seen)
    if (seen->responder != nullptr) seen->responder->SetResting(false);
  sweep(milliseconds(0));
  EXPECT_EQ(budget.idle_bytes(), 0u);
}

TEST(Http2Session, AnswersThatNobodyTakesMakeRoom) {
  StreamBudget budget(4 * kMiB, 0);
  Pair pair(false, &budget);
  pair.handler.on_end = [](Seen& seen) { Answer(seen, std::string(kMiB, 'x')); };
  for (int i = 0; i < 10; ++i) pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  for (const int later : {1, 0, 1}) {
    pair.now += seconds(later);
    pair.session.Sweep(pair.now);
    pair.Talk();
  }
  EXPECT_EQ(pair.session.num_streams(), 2u) << "on the floor";
  EXPECT_EQ(pair.client.answers[19].error, kCalm);
}

TEST(Http2Session, StreamsOfAConnectionHaveOneFloorForWhatTheyBring) {
  Pair pair, another;
  pair.client.Ask(Http2Client::Post("/"), "");
  pair.client.Ask(Http2Client::Post("/"), "");
  another.client.Ask(Http2Client::Post("/"), "");
  pair.Talk();
  another.Talk();
  const auto floor_of = [](Pair& of, size_t i) {
    return of.handler.seen.at(i)->responder->floor();
  };
  ASSERT_NE(floor_of(pair, 0), nullptr);
  EXPECT_EQ(floor_of(pair, 0), floor_of(pair, 1));
  EXPECT_NE(floor_of(pair, 0), floor_of(another, 0));
}

TEST(Http2Session, RefusedStreamsDoNotEndTheConnection) {
  StreamBudget budget(0, 0);
  Pair pair(true, &budget);
  for (int i = 0; i < 2000; ++i) {
    pair.client.Ask(Http2Client::Post("/"));
    if (i % 50 == 0) pair.Talk();
  }
  pair.Talk();
  EXPECT_GT(pair.session.num_streams_refused(), 1900);
  EXPECT_TRUE(pair.wants_more);
  EXPECT_EQ(pair.session.excess(), "");
}

TEST(Http2Session, AStreamThatIsNotReadStopsNoOther) {
  StreamBudget budget(size_t{64} << 20, size_t{64} << 20);
  Pair pair(true, &budget);
  pair.handler.consumes = false;
  for (int i = 0; i < 30; ++i)
    pair.client.Ask(Http2Client::Post("/"), std::string(size_t{1} << 20, 'x'));
  pair.Talk();
  for (const auto& seen : pair.handler.seen) EXPECT_EQ(seen->body.size(), 65'535u);
  EXPECT_GT(budget.held_bytes(), 30u * 65'535);
  pair.handler.consumes = true;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t id = pair.client.Ask(Http2Client::Post("/"), std::string(size_t{3} << 20, 'x'));
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].body, "fine");
  // What is read counts no longer.
  for (const auto& seen : pair.handler.seen)
    if (seen->responder != nullptr) seen->responder->Consume(65'535);
  pair.Talk();
  for (const auto& seen : pair.handler.seen) EXPECT_TRUE(seen->has_ended);
  EXPECT_EQ(budget.held_bytes(), 0u);
}

}  // namespace
}  // namespace akin::server
