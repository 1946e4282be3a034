#include "server/budgets/message_budget.h"

#include <gtest/gtest.h>

#include "support/allocations.h"

namespace akin::server {
namespace {

TEST(MessageBudget, AClientLeavesHalfToTheNext) {
  constexpr size_t kMiB = size_t{1} << 20;
  MessageBudget budget(48 * kMiB);
  MessageBudget::Share a(budget, "a"), b(budget, "b"), more_of_a(budget, "a");
  EXPECT_TRUE(a.GrowTo(24 * kMiB));
  EXPECT_FALSE(a.GrowTo(25 * kMiB));
  EXPECT_FALSE(more_of_a.GrowTo(1 * kMiB));
  EXPECT_TRUE(b.GrowTo(12 * kMiB));
  EXPECT_FALSE(b.GrowTo(13 * kMiB));
  EXPECT_EQ(budget.held_bytes(), 36 * kMiB);
  a.Clear();
  EXPECT_TRUE(more_of_a.GrowTo(18 * kMiB));
  EXPECT_FALSE(more_of_a.GrowTo(19 * kMiB));
  EXPECT_EQ(budget.held_bytes(), 30 * kMiB);
}

TEST(MessageBudget, WithoutMemoryThereIsNoRoomAndNothingIsHeld) {
  MessageBudget budget(1000, 0);
  MessageBudget::Share share(budget, "a");
  {
    const WatchedAllocations allocations({.at = 1});
    EXPECT_FALSE(share.GrowTo(100));
    EXPECT_TRUE(allocations.failed());
  }
  EXPECT_EQ(budget.held_bytes("a"), 0u);
  EXPECT_TRUE(share.GrowTo(500));
}

TEST(MessageBudget, WhatIsShortFindsRoomWhoeverHoldsAll) {
  MessageBudget budget(size_t{1} << 20);
  MessageBudget::Share greedy(budget, "a"), modest(budget, "a");
  EXPECT_TRUE(greedy.GrowTo(size_t{1} << 19));
  EXPECT_TRUE(modest.GrowTo(MessageBudget::kFreeBytes));
  EXPECT_FALSE(modest.GrowTo(MessageBudget::kFreeBytes + 1));
}

TEST(MessageBudget, WhoeverHoldsAllAConnectionHasItsFloor) {
  constexpr size_t kKiB = 1024;
  MessageBudget budget(256 * kKiB, 0), another(0, 0);
  MessageBudget::Floor floor;
  MessageBudget::Share greedy(budget, "a");
  EXPECT_TRUE(greedy.GrowTo(128 * kKiB));
  {
    MessageBudget::Share one(budget, "a", &floor), two(another, "b", &floor);
    EXPECT_TRUE(one.GrowTo(40 * kKiB));
    EXPECT_TRUE(two.GrowTo(20 * kKiB));
    EXPECT_EQ(floor.bytes, 60 * kKiB);
    EXPECT_FALSE(two.GrowTo(25 * kKiB));
    EXPECT_FALSE(one.GrowTo(45 * kKiB));
    one.ShrinkTo(30 * kKiB);
    EXPECT_TRUE(two.GrowTo(34 * kKiB));
    EXPECT_EQ(floor.bytes, 64 * kKiB);
    EXPECT_EQ(budget.held_bytes(), 128 * kKiB);
    // What grows leaves it when there is room.
    greedy.Clear();
    EXPECT_TRUE(one.GrowTo(100 * kKiB));
    EXPECT_FALSE(one.is_on_floor());
    EXPECT_EQ(floor.bytes, 34 * kKiB);
    EXPECT_EQ(budget.held_bytes("a"), 100 * kKiB);
    // And comes back, with all it has, when there is none.
    two.Clear();
    one.ShrinkTo(20 * kKiB);
    EXPECT_TRUE(greedy.GrowTo(108 * kKiB));
    EXPECT_TRUE(one.GrowTo(60 * kKiB));
    EXPECT_EQ(floor.bytes, 60 * kKiB);
    EXPECT_EQ(budget.held_bytes("a"), 108 * kKiB);
  }
  EXPECT_EQ(floor.bytes, 0U);
  EXPECT_EQ(budget.held_bytes(), 108 * kKiB);
}

TEST(MessageBudget, SaysWhenRoomComesFree) {
  int times = 0;
  MessageBudget budget(64 << 10, 0, [&] { ++times; });
  MessageBudget::Share share(budget, "a");
  EXPECT_TRUE(share.GrowTo(100));
  EXPECT_EQ(budget.held_bytes("a"), 100U);
  EXPECT_EQ(times, 0);
  share.ShrinkTo(50);
  EXPECT_EQ(times, 1);
  share.Clear();
  share.Clear();
  EXPECT_EQ(times, 2);
  EXPECT_EQ(budget.held_bytes("a"), 0U);
}

}  // namespace
}  // namespace akin::server
