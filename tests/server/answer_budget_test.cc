#include "server/answer_budget.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

constexpr int64_t kMost = 100 * AnswerBudget::kLargeBytes;

TEST(AnswerBudget, CountsUntilTheShareIsGone) {
  AnswerBudget budget(kMost);
  {
    const auto share = budget.Take();
    EXPECT_TRUE(share->Grow(10));
    EXPECT_TRUE(share->Grow(20));
    EXPECT_EQ(budget.held_bytes(), 30);
    EXPECT_TRUE(share->Settle(5));
    EXPECT_EQ(budget.held_bytes(), 5);
  }
  EXPECT_EQ(budget.held_bytes(), 0);
}

TEST(AnswerBudget, AnyNumberOfBytesIsGivenAlone) {
  AnswerBudget budget(kMost);
  const auto share = budget.Take();
  EXPECT_TRUE(share->Grow(5 * kMost));
  EXPECT_EQ(budget.Take(), nullptr);
  EXPECT_TRUE(share->Settle(7 * kMost));
}

TEST(AnswerBudget, LargeAnswersLeaveOneHalfToSmallOnes) {
  AnswerBudget budget(kMost);
  const auto large = budget.Take(), small = budget.Take(), other = budget.Take();
  EXPECT_TRUE(large->Grow(kMost / 2));
  EXPECT_FALSE(other->Grow(AnswerBudget::kLargeBytes + 1));
  EXPECT_EQ(other->bytes(), 0);
  EXPECT_TRUE(small->Grow(AnswerBudget::kLargeBytes));
}

TEST(AnswerBudget, WhatIsMadeMayTakeHalfAsMuchAgain) {
  AnswerBudget budget(kMost);
  const auto first = budget.Take(), second = budget.Take();
  EXPECT_TRUE(first->Grow(kMost / 4));
  EXPECT_TRUE(second->Grow(kMost / 4));
  EXPECT_TRUE(second->Settle(kMost / 2));
  EXPECT_FALSE(first->Settle(kMost / 2));
  EXPECT_TRUE(first->Settle(1));  // Fewer always are.
}

}  // namespace
}  // namespace akin::server
