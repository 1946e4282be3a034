#include "batching/thread_shares.h"

#include <gtest/gtest.h>

namespace akin::batching {
namespace {

void Meet(ThreadShares& shares, size_t others, int times) {
  for (int i = 0; i < times; ++i) shares.Arrived(others);
}

TEST(ThreadShares, ARequestThatIsAloneGetsAllThreads) {
  ThreadShares shares(4);
  Meet(shares, 0, 3);
  EXPECT_TRUE(shares.IsQuiet());
  EXPECT_EQ(shares.Take(false), 4);
  EXPECT_EQ(shares.free(), 0);
  EXPECT_FALSE(shares.IsQuiet()) << "something is under way";
  shares.GiveBack(4);
  EXPECT_TRUE(shares.IsQuiet());
}

TEST(ThreadShares, RequestsThatComeTogetherShareTheThreads) {
  ThreadShares shares(4);
  Meet(shares, 1, 100);
  EXPECT_EQ(shares.Share(), 2);
  EXPECT_FALSE(shares.IsQuiet());
  EXPECT_EQ(shares.Take(false), 2);
  EXPECT_EQ(shares.Take(false), 2);
  EXPECT_EQ(shares.free(), 0);
}

TEST(ThreadShares, WithAsManyAsThreadsEachHasOne) {
  for (const size_t others : {3, 7, 63}) {
    ThreadShares shares(4);
    Meet(shares, others, 100);
    EXPECT_EQ(shares.Share(), 1) << others;
  }
}

TEST(ThreadShares, OneMeetingIsNoCrowdAndThreeAre) {
  ThreadShares shares(2);
  Meet(shares, 2, 2);
  EXPECT_EQ(shares.Share(), 2);
  Meet(shares, 2, 1);
  EXPECT_EQ(shares.Share(), 1);
}

TEST(ThreadShares, ACrowdIsForgottenAfterAFewRequestsHoweverLargeItWas) {
  ThreadShares shares(2);
  Meet(shares, 500, 1000);
  int alone = 0;
  for (; shares.Share() == 1; ++alone) shares.Arrived(0);
  EXPECT_LE(alone, 12);
  EXPECT_GE(alone, 4);
}

TEST(ThreadShares, WhatWaitsLeavesAThreadForEach) {
  ThreadShares shares(4);
  EXPECT_EQ(shares.Take(true), 1) << "the other threads take what waits";
  EXPECT_EQ(shares.Take(true), 1);
  EXPECT_EQ(shares.Take(false), 2) << "those that are left";
  EXPECT_EQ(shares.free(), 0);
  shares.GiveBack(1);
  EXPECT_EQ(shares.Take(false), 1);
}

TEST(ThreadShares, OneThreadIsAlwaysShared) {
  ThreadShares shares(1);
  EXPECT_TRUE(shares.IsQuiet());
  EXPECT_EQ(shares.TakeOne(), 1);
  EXPECT_EQ(shares.free(), 0);
}

}  // namespace
}  // namespace akin::batching
