#include "server/budgets/stream_budget.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace akin::server {
namespace {

constexpr size_t kKiB = 1024, kMiB = 1024 * kKiB;

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

}  // namespace
}  // namespace akin::server
