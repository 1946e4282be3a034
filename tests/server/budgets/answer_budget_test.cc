#include "server/budgets/answer_budget.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace akin::server {
namespace {

constexpr int64_t kMost = 100 * AnswerBudget::kLargeBytes;
constexpr int64_t kSmall = AnswerBudget::kLargeBytes, kLarge = 10 * AnswerBudget::kLargeBytes;

using Share = AnswerBudget::Share;

AnswerBudget::SharePtr Of(AnswerBudget& budget, const std::string& client) {
  return std::make_shared<Share>(budget, client);
}

// As many as `client` gets.
std::vector<AnswerBudget::SharePtr> TakeAll(AnswerBudget& budget, const std::string& client,
                                            int64_t bytes) {
  std::vector<AnswerBudget::SharePtr> shares;
  while (true) {
    auto share = Of(budget, client);
    if (!share->Reserve(bytes)) return shares;
    shares.push_back(std::move(share));
  }
}

TEST(AnswerBudget, CountsUntilTheShareIsGone) {
  AnswerBudget budget(kMost);
  {
    const auto share = Of(budget, "a");
    EXPECT_TRUE(share->Reserve(10));
    EXPECT_TRUE(share->Reserve(kLarge));
    EXPECT_EQ(budget.held_bytes(), kLarge + 10);
    share->Settle(5);
    EXPECT_EQ(budget.held_bytes(), 5);
  }
  EXPECT_EQ(budget.held_bytes(), 0);
}

TEST(AnswerBudget, WhatIsExpectedTakesNoRoomUntilItBegins) {
  AnswerBudget budget(kMost);
  const auto share = Of(budget, "a");
  share->Expect(kLarge);
  EXPECT_EQ(share->bytes(), kLarge);
  EXPECT_EQ(budget.held_bytes(), 0);
  EXPECT_TRUE(share->Reserve(2 * kLarge));
  EXPECT_EQ(share->bytes(), 2 * kLarge);
  share->Settle(1);
  EXPECT_EQ(share->bytes(), 1);
}

TEST(AnswerBudget, AnIdleOneGivesAllButNoMore) {
  AnswerBudget budget(kMost);
  const auto share = Of(budget, "a");
  EXPECT_TRUE(share->Reserve(kMost));
  const Status more = share->Reserve(1);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code(), ErrorCode::kInvalidInput);
  EXPECT_NE(more.error().message().find("--answer-memory is 100 MiB"), std::string::npos);
  EXPECT_FALSE(share->was_refused());
  EXPECT_EQ(share->bytes(), kMost);
}

TEST(AnswerBudget, ALargeAnswerKeepsNobodyOut) {
  AnswerBudget budget(kMost);
  const auto first = Of(budget, "a");
  ASSERT_TRUE(first->Reserve(kMost));
  EXPECT_FALSE(Of(budget, "a")->Reserve(kLarge));
  EXPECT_TRUE(Of(budget, "a")->Reserve(kSmall));
  EXPECT_TRUE(Of(budget, "b")->Reserve(kSmall));
  const auto other = Of(budget, "b");
  EXPECT_TRUE(other->Reserve(kMost));
  // Two together do.
  const auto third = Of(budget, "c");
  const Status refused = third->Reserve(kLarge);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kOverloaded);
  EXPECT_TRUE(third->was_refused());
  EXPECT_EQ(third->bytes(), 0);
  EXPECT_TRUE(Of(budget, "c")->Reserve(kSmall));
}

TEST(AnswerBudget, ManyAnswersOfOneClientLeaveRoomForOthers) {
  for (const int64_t bytes : {kSmall, 2 * kSmall}) {
    AnswerBudget budget(kMost);
    const auto of_a = TakeAll(budget, "a", bytes);
    EXPECT_EQ(budget.held_bytes(), kMost / 2 * 3 / 4 / bytes * bytes);
    const auto of_b = TakeAll(budget, "b", bytes);
    EXPECT_GT(of_b.size(), 1u);
    const auto of_c = TakeAll(budget, "c", bytes);
    EXPECT_GE(of_c.size(), 1u);
    EXPECT_LE(budget.held_bytes(), kMost / 2);
  }
}

TEST(AnswerBudget, AllTogetherAreBounded) {
  AnswerBudget budget(kMost);
  std::vector<AnswerBudget::SharePtr> shares;
  for (int client = 0; client < 300; ++client) {
    for (const int64_t bytes : {kMost, kSmall, kMost / 3, kLarge}) {
      for (auto& share : TakeAll(budget, std::to_string(client), bytes))
        shares.push_back(std::move(share));
    }
  }
  EXPECT_LE(budget.held_bytes(), 2 * kMost + kMost / 2 + kSmall);
  shares.clear();
  EXPECT_EQ(budget.held_bytes(), 0);
}

// Parts of several answers of one client, computed in turn: one of them comes to its end. What is
// refused is given up.
TEST(AnswerBudget, OfAnswersThatGrowAtOnceTheFirstIsNotRefused) {
  for (const int64_t part : {kSmall / 4, kLarge}) {
    AnswerBudget budget(kMost);
    const std::vector<AnswerBudget::SharePtr> shares = {Of(budget, "a"), Of(budget, "a"),
                                                        Of(budget, "a")};
    std::vector<bool> refused(shares.size(), false);
    for (int64_t bytes = part; bytes <= kMost; bytes += part) {
      for (size_t i = 0; i < shares.size(); ++i) {
        if (refused[i] || shares[i]->Reserve(part)) continue;
        refused[i] = true;
        shares[i]->Settle(0);
      }
    }
    EXPECT_EQ(refused, (std::vector<bool>{false, true, true}));
    EXPECT_EQ(shares[0]->bytes(), kMost);
    EXPECT_EQ(budget.held_bytes(), kMost);
    // Once it has gone another one is the first.
    shares[0]->Settle(0);
    EXPECT_TRUE(shares[1]->Reserve(kMost - shares[1]->bytes()));
  }
}

TEST(AnswerBudget, AFirstAnswerGrowsNoFurtherBesideMoreThanAnotherOne) {
  AnswerBudget budget(kMost);
  const auto growing = Of(budget, "a"), of_b = Of(budget, "b"), of_c = Of(budget, "c");
  ASSERT_TRUE(growing->Reserve(kLarge));
  ASSERT_TRUE(of_b->Reserve(kLarge));
  ASSERT_TRUE(of_c->Reserve(kLarge));
  ASSERT_TRUE(of_b->Reserve(kMost - kLarge));
  EXPECT_FALSE(growing->Reserve(kLarge));
  of_c->Settle(0);
  EXPECT_TRUE(growing->Reserve(kMost - kLarge));
  EXPECT_EQ(budget.held_bytes(), 2 * kMost);
}

// However a client comes by what it holds, another one's first answer finds room.
TEST(AnswerBudget, TheFirstAnswerOfAClientGrowsWithinWhatItsOthersLeave) {
  const int64_t others = kMost / 2 / 4 * 3 - kLarge;
  {
    AnswerBudget budget(kMost);
    const auto first = Of(budget, "a"), second = Of(budget, "a");
    ASSERT_TRUE(first->Reserve(kLarge));
    ASSERT_TRUE(second->Reserve(others));
    EXPECT_FALSE(first->Reserve(kMost - others));
    EXPECT_TRUE(first->Reserve(kMost - others - kLarge));
    EXPECT_EQ(budget.held_bytes(), kMost);
    EXPECT_TRUE(Of(budget, "b")->Reserve(kMost));
  }
  // The first one has gone; the next one to be asked for is the first.
  AnswerBudget budget(kMost);
  auto first = Of(budget, "a");
  const auto second = Of(budget, "a"), third = Of(budget, "a");
  ASSERT_TRUE(first->Reserve(kLarge));
  ASSERT_TRUE(second->Reserve(others));
  first.reset();
  EXPECT_FALSE(third->Reserve(kMost));
  EXPECT_TRUE(third->Reserve(kMost - others));
  EXPECT_TRUE(Of(budget, "b")->Reserve(kLarge));
}

TEST(AnswerBudget, NoMoreIsNeverRefused) {
  AnswerBudget budget(kMost);
  const auto first = Of(budget, "a"), second = Of(budget, "a"), other = Of(budget, "b");
  ASSERT_TRUE(first->Reserve(kLarge));
  ASSERT_TRUE(second->Reserve(kLarge));
  ASSERT_TRUE(other->Reserve(kMost));
  EXPECT_TRUE(second->Reserve(0));
  EXPECT_TRUE(second->Reserve(-1));
  EXPECT_EQ(second->bytes(), kLarge);
  EXPECT_FALSE(second->was_refused());
}

TEST(AnswerBudget, WhatIsMadeCountsHoweverMuchItIs) {
  AnswerBudget budget(kMost);
  const auto share = Of(budget, "a");
  EXPECT_TRUE(share->Reserve(1));
  share->Settle(3 * kMost);
  EXPECT_EQ(budget.held_bytes(), 3 * kMost);
  EXPECT_FALSE(Of(budget, "b")->Reserve(kLarge));
  EXPECT_TRUE(Of(budget, "b")->Reserve(kSmall));
}

}  // namespace
}  // namespace akin::server
