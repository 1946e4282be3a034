#include "batching/rectangle_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace akin::batching {
namespace {

// Tokens computed, runs included.
size_t CostOf(const std::vector<Batch>& plan, const std::vector<int32_t>& lengths) {
  size_t cost = 0;
  for (const Batch& batch : plan) {
    int32_t longest = 0;
    for (const uint32_t text : batch) longest = std::max(longest, lengths[text]);
    cost += batch.size() * static_cast<size_t>(longest) + kRunTokens;
  }
  return cost;
}

TEST(RectanglePlan, AShortTextIsNotPaddedToALongOne) {
  const std::vector<int32_t> lengths = {12, 100, 10, 11};
  const auto plan = PlanRectangles(lengths, {.token_budget = 512});
  ASSERT_EQ(plan.size(), 2u);
  EXPECT_EQ(plan[0], (Batch{1}));
  EXPECT_EQ(plan[1], (Batch{0, 3, 2}));
}

TEST(RectanglePlan, AFewTokensOfPaddingAreCheaperThanARun) {
  const std::vector<int32_t> lengths = {12, 11, 10, 9};
  EXPECT_EQ(PlanRectangles(lengths, {.token_budget = 512}).size(), 1u);
}

TEST(RectanglePlan, EveryTextIsThereOnceAndNoRectangleIsTooLarge) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<int32_t> lengths(random() % 60);
    for (int32_t& length : lengths) length = static_cast<int32_t>(random() % 90);
    const size_t budget = 1 + random() % 300;
    const size_t num_workers = 1 + random() % 4;
    const auto plan = PlanRectangles(lengths, {.token_budget = budget, .num_workers = num_workers});
    std::vector<int> seen(lengths.size(), 0);
    for (const Batch& batch : plan) {
      int32_t longest = 0;
      for (const uint32_t text : batch) {
        ++seen[text];
        longest = std::max(longest, lengths[text]);
      }
      EXPECT_TRUE(batch.size() == 1 || batch.size() * static_cast<size_t>(longest) <= budget);
    }
    for (size_t i = 0; i < lengths.size(); ++i) EXPECT_EQ(seen[i], lengths[i] > 0 ? 1 : 0);
  }
}

TEST(RectanglePlan, NoOtherCutOfTheSortedTextsIsCheaper) {
  std::mt19937 random(8);
  for (int round = 0; round < 50; ++round) {
    std::vector<int32_t> lengths(1 + random() % 10);
    for (int32_t& length : lengths) length = static_cast<int32_t>(1 + random() % 50);
    std::ranges::sort(lengths, std::greater());
    const size_t budget = 1u << 20;
    const size_t cost = CostOf(PlanRectangles(lengths, {.token_budget = budget}), lengths);
    // Every subset of the borders between neighbours.
    for (uint32_t cuts = 0; cuts < 1u << (lengths.size() - 1); ++cuts) {
      std::vector<Batch> plan(1);
      for (uint32_t i = 0; i < lengths.size(); ++i) {
        plan.back().push_back(i);
        if (i + 1 < lengths.size() && (cuts >> i & 1) != 0) plan.emplace_back();
      }
      EXPECT_GE(CostOf(plan, lengths), cost);
    }
  }
}

TEST(RectanglePlan, WithBucketsLengthsCountAsPadded) {
  const std::vector<int32_t> buckets = {16, 64};
  const std::vector<int32_t> lengths = {10, 17, 60, 100};
  const auto plan = PlanRectangles(lengths, {.token_budget = 128, .buckets = buckets});
  // 100 is longer than every bucket; 60 and 17 are both computed as 64, so together.
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[0], (Batch{2, 1}));
  EXPECT_EQ(plan[1], (Batch{3}));
  EXPECT_EQ(plan[2], (Batch{0}));
  // Without buckets 17 costs less beside 10 than beside 60.
  EXPECT_EQ(PlanRectangles(lengths, {.token_budget = 128})[2], (Batch{1, 0}));
}

TEST(RectanglePlan, RowsFilledUpCountAsComputed) {
  const std::vector<int32_t> buckets = {16, 64};
  const auto plan_of = [&](size_t count, size_t budget) {
    const std::vector<int32_t> lengths(count, 40);
    return PlanRectangles(
        lengths, {.token_budget = budget, .buckets = buckets, .rows_by_powers_of_two = true});
  };
  // Five rows would be computed as eight: four and one are cheaper.
  ASSERT_EQ(plan_of(5, 1024).size(), 2u);
  EXPECT_EQ(plan_of(5, 1024)[0].size(), 4u);
  EXPECT_EQ(plan_of(8, 1024).size(), 1u);
  // Filled up they must not go beyond the budget: 7 rows of 64 fit, 8 do not.
  for (const Batch& batch : plan_of(7, 448)) EXPECT_LE(batch.size(), 4u);
}

TEST(RectanglePlan, FewRectanglesAreEvenedOutOverTheWorkers) {
  const std::vector<int32_t> lengths(48, 32);  // Three rectangles of 512 tokens.
  EXPECT_EQ(PlanRectangles(lengths, {.token_budget = 512, .num_workers = 1}).size(), 3u);
  const auto plan = PlanRectangles(lengths, {.token_budget = 512, .num_workers = 2});
  ASSERT_EQ(plan.size(), 4u);
  for (const Batch& batch : plan) EXPECT_EQ(batch.size(), 12u);
}

}  // namespace
}  // namespace akin::batching
