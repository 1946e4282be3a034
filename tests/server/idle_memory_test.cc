#include "server/idle_memory.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

constexpr int64_t kMuch = IdleMemory::kWorthwhileBytes;
constexpr IdleMemory::Clock::time_point kStart{std::chrono::hours(1)};
constexpr std::chrono::seconds kSecond{1};

TEST(IdleMemory, IsDueAfterARest) {
  IdleMemory memory;
  EXPECT_FALSE(memory.IsDue(kStart, kMuch, true));
  EXPECT_FALSE(memory.IsDue(kStart + kSecond, kMuch, true));
  EXPECT_FALSE(memory.IsDue(kStart + 2 * kSecond, kMuch, false));  // A request begins a new one.
  EXPECT_FALSE(memory.IsDue(kStart + 3 * kSecond, kMuch, true));
  EXPECT_FALSE(memory.IsDue(kStart + 4 * kSecond, kMuch, true));
  EXPECT_TRUE(memory.IsDue(kStart + 5 * kSecond, kMuch, true));
}

TEST(IdleMemory, WhatStaysIsInUse) {
  IdleMemory memory;
  memory.IsDue(kStart, 5 * kMuch, true);
  EXPECT_TRUE(memory.IsDue(kStart + 2 * kSecond, 5 * kMuch, true));
  memory.Returned(4 * kMuch);
  EXPECT_FALSE(memory.IsDue(kStart + 20 * kSecond, 5 * kMuch - 1, true));
  EXPECT_TRUE(memory.IsDue(kStart + 21 * kSecond, 5 * kMuch, true));
}

TEST(IdleMemory, IsNotDueSoonAgain) {
  IdleMemory memory;
  memory.IsDue(kStart, kMuch, true);
  EXPECT_TRUE(memory.IsDue(kStart + 2 * kSecond, kMuch, true));
  memory.Returned(0);
  EXPECT_FALSE(memory.IsDue(kStart + 3 * kSecond, kMuch, true));
  EXPECT_TRUE(memory.IsDue(kStart + 7 * kSecond, kMuch, true));
}

}  // namespace
}  // namespace akin::server
