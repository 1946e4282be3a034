// Streams and the budget that those of all sessions share.
#include <gtest/gtest.h>

#include <string>

#include "http2_session_fixture.h"
#include "server/http2/stream_budget.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr auto kRefused = static_cast<uint32_t>(Http2Error::kRefusedStream);
constexpr auto kCalm = static_cast<uint32_t>(Http2Error::kEnhanceYourCalm);

// --- The budget ----------------------------------------------------------------------------------

// As many shares of `bytes` as there is room for.
struct Filler {
  using Share = StreamBudget::Share;
  int Fill(StreamBudget& budget, StreamBudget::Floor& floor, const std::string& client,
           size_t bytes, bool keyless) {
    for (int taken = 0;; ++taken) {
      auto share = std::make_unique<Share>(budget, floor, client);
      if (!share->GrowTo(bytes) || (keyless && !share->SetKeyless())) return taken;
      shares.push_back(std::move(share));
    }
  }
  std::vector<std::unique_ptr<Share>> shares;
};

TEST(StreamBudget, KeylessStreamsLeaveRoomForOthersOfTheirClient) {
  StreamBudget budget(128 * kMiB, 32 * kMiB);
  StreamBudget::Floor attackers, others;
  Filler filler;
  const auto most = static_cast<int>((16 * kMiB + StreamBudget::kFloorBytes) / (8 * kKiB));
  EXPECT_EQ(filler.Fill(budget, attackers, "a", 8 * kKiB, true), most);
  EXPECT_EQ(budget.idle_bytes(), 16 * kMiB);
  // On another connection of the same client.
  EXPECT_EQ(Filler().Fill(budget, others, "a", 8 * kKiB, true),
            static_cast<int>(StreamBudget::kFloorBytes / (8 * kKiB)));
  EXPECT_EQ(others.bytes, 0u);
  StreamBudget::Share modest(budget, others, "a");
  EXPECT_TRUE(modest.GrowTo(40 * kMiB)) << "half of what there is, without what is idle";
  EXPECT_EQ(others.bytes, 0u);
  filler.shares.clear();
  EXPECT_EQ(budget.held_bytes(), 40 * kMiB);
  EXPECT_EQ(budget.idle_bytes(), 0u);
  EXPECT_EQ(attackers.bytes, 0u);
}

TEST(StreamBudget, HoweverManyClientsFillItANewOneHasRoom) {
  StreamBudget budget(128 * kMiB, 32 * kMiB);
  std::vector<StreamBudget::Floor> floors(40);  // Outlive the shares.
  Filler filler;
  for (size_t i = 0; i < floors.size(); ++i)
    filler.Fill(budget, floors[i], std::to_string(i), 8 * kKiB, true);
  EXPECT_LE(budget.idle_bytes(), 32 * kMiB);
  StreamBudget::Floor floor;
  {
    StreamBudget::Share newcomer(budget, floor, "new");
    EXPECT_TRUE(newcomer.GrowTo(40 * kMiB));
    EXPECT_EQ(floor.bytes, 0u);
  }
  for (size_t i = 0; i < floors.size(); ++i)
    filler.Fill(budget, floors[i], "more " + std::to_string(i), 8 * kKiB, false);
  EXPECT_EQ(Filler().Fill(budget, floor, "newest", 8 * kKiB, false), 12) << "its floor";
  StreamBudget::Share idle(budget, floor, "newest"), large(budget, floor, "newest");
  EXPECT_TRUE(idle.GrowTo(24 * kKiB) && idle.SetWaiting(true));
  EXPECT_EQ(floor.idle_bytes, 24 * kKiB);
  EXPECT_TRUE(large.GrowTo(72 * kKiB));
  EXPECT_FALSE(large.SetWaiting(true)) << "of the floor a part may wait";
  EXPECT_FALSE(large.GrowTo(73 * kKiB));
  EXPECT_EQ(floor.bytes, 96 * kKiB);
  idle.ShrinkTo(8 * kKiB);
  EXPECT_EQ(floor.idle_bytes, 8 * kKiB);
  EXPECT_TRUE(idle.SetWaiting(false));
  EXPECT_EQ(floor.idle_bytes, 0u);
}

TEST(StreamBudget, WhatWaitsIsIdleUntilItGoesOn) {
  StreamBudget budget(kMiB, kMiB / 4);
  StreamBudget::Floor floor;
  StreamBudget::Share share(budget, floor, "a");
  EXPECT_TRUE(share.GrowTo(100 * kKiB));
  EXPECT_EQ(budget.idle_bytes(), 0u);
  EXPECT_TRUE(share.SetWaiting(true));
  EXPECT_EQ(budget.idle_bytes(), 100 * kKiB);
  EXPECT_TRUE(share.SetWaiting(false));
  EXPECT_EQ(budget.idle_bytes(), 0u);
  EXPECT_EQ(budget.held_bytes(), 100 * kKiB);
  EXPECT_TRUE(share.SetKeyless() && share.SetWaiting(true) && share.SetWaiting(false));
  EXPECT_EQ(budget.idle_bytes(), 100 * kKiB) << "keyless for ever";
  EXPECT_FALSE(share.GrowTo(200 * kKiB));
  EXPECT_EQ(budget.held_bytes(), 100 * kKiB);
}

// --- Sessions ------------------------------------------------------------------------------------

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
