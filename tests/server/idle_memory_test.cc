#include "server/idle_memory.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

constexpr int64_t kMuch = IdleMemory::kWorthwhileBytes;
constexpr IdleMemory::Clock::time_point kStart{std::chrono::hours(1)};
constexpr std::chrono::seconds kSecond{1};

TEST(IdleMemory, IsDueAfterARest) {
  IdleMemory memory;
  EXPECT_FALSE(memory.IsDue(kStart, kMuch, true, 0));
  EXPECT_FALSE(memory.IsDue(kStart + kSecond, kMuch, true, 0));
  EXPECT_FALSE(memory.IsDue(kStart + 2 * kSecond, kMuch, false, 0));  // A request begins a new one.
  EXPECT_FALSE(memory.IsDue(kStart + 3 * kSecond, kMuch, true, 0));
  EXPECT_FALSE(memory.IsDue(kStart + 4 * kSecond, kMuch, true, 0));
  EXPECT_TRUE(memory.IsDue(kStart + 5 * kSecond, kMuch, true, 0));
}

TEST(IdleMemory, RequestsBetweenTwoLooksAreNoRest) {
  IdleMemory memory;
  for (int i = 0; i < 60; ++i) EXPECT_FALSE(memory.IsDue(kStart + i * kSecond, kMuch, true, i / 2));
  EXPECT_TRUE(memory.IsDue(kStart + 60 * kSecond, kMuch, true, 29));
}

TEST(IdleMemory, WhatStaysIsInUse) {
  IdleMemory memory;
  memory.IsDue(kStart, 5 * kMuch, true, 0);
  EXPECT_TRUE(memory.IsDue(kStart + 2 * kSecond, 5 * kMuch, true, 0));
  memory.Returned(4 * kMuch);
  EXPECT_FALSE(memory.IsDue(kStart + 20 * kSecond, 5 * kMuch - 1, true, 0));
  EXPECT_TRUE(memory.IsDue(kStart + 21 * kSecond, 5 * kMuch, true, 0));
}

TEST(IdleMemory, IsNotDueSoonAgain) {
  IdleMemory memory;
  memory.IsDue(kStart, kMuch, true, 0);
  EXPECT_TRUE(memory.IsDue(kStart + 2 * kSecond, kMuch, true, 0));
  memory.Returned(0);
  EXPECT_FALSE(memory.IsDue(kStart + 3 * kSecond, kMuch, true, 0));
  EXPECT_TRUE(memory.IsDue(kStart + 7 * kSecond, kMuch, true, 0));
}

}  // namespace
}  // namespace akin::server
