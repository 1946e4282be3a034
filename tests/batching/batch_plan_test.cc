#include "batching/batch_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace akin::batching {
namespace {

size_t Tokens(const Batch& batch, const std::vector<int32_t>& lengths) {
  return std::accumulate(batch.begin(), batch.end(), size_t{0}, [&](size_t sum, uint32_t i) {
    return sum + static_cast<size_t>(lengths[i]);
  });
}

TEST(BatchPlan, NoTextsMakeNoBatch) {
  EXPECT_TRUE(PlanBatches({}, {.token_budget = 512, .num_workers = 2}).empty());
}

TEST(BatchPlan, EveryTextIsInExactlyOneBatchAndNoBatchExceedsTheBudget) {
  std::mt19937 generator(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<int32_t> lengths(generator() % 300);
    for (int32_t& length : lengths) length = 1 + static_cast<int32_t>(generator() % 512);
    const size_t budget = 512 + generator() % 1000, workers = 1 + generator() % 8;
    std::vector<int> seen(lengths.size(), 0);
    for (const Batch& batch :
         PlanBatches(lengths, {.token_budget = budget, .num_workers = workers})) {
      EXPECT_FALSE(batch.empty());
      EXPECT_LE(Tokens(batch, lengths), budget);
      for (const uint32_t i : batch) ++seen.at(i);
    }
    EXPECT_TRUE(std::ranges::all_of(seen, [](int count) { return count == 1; }));
  }
}

TEST(BatchPlan, ATextLongerThanTheBudgetIsABatchOfItsOwn) {
  const std::vector<int32_t> lengths = {5, 900, 6};
  const auto batches = PlanBatches(lengths, {.token_budget = 100, .num_workers = 1});
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0], Batch({1}));
  EXPECT_EQ(batches[1], Batch({2, 0}));
}

TEST(BatchPlan, LongTextsComeFirst) {
  const std::vector<int32_t> lengths = {3, 100, 7, 50};
  const auto batches = PlanBatches(lengths, {.token_budget = 1000, .num_workers = 1});
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0], Batch({1, 3, 2, 0}));
}

TEST(BatchPlan, TextsOfEqualLengthKeepTheirOrder) {
  const auto batches =
      PlanBatches(std::vector<int32_t>(5, 10), {.token_budget = 20, .num_workers = 1});
  EXPECT_EQ(batches, (std::vector<Batch>{{0, 1}, {2, 3}, {4}}));
}

TEST(BatchPlan, FewBatchesAreEvenedOutOverTheWorkers) {
  // 60 texts of 10 tokens are two batches of at most 512: with two workers both get the same, not
  // 510 and 90.
  const std::vector<int32_t> lengths(60, 10);
  const auto batches = PlanBatches(lengths, {.token_budget = 512, .num_workers = 2});
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].size(), 30u);
  EXPECT_EQ(batches[1].size(), 30u);
}

// When the last worker is done, if each takes the next batch of the plan when it has computed one,
// over when all would be if the work could be divided at will.
double Makespan(const std::vector<Batch>& plan, const std::vector<int32_t>& lengths,
                size_t num_workers) {
  std::vector<double> busy_until(num_workers, 0);
  double total = 0;
  for (const Batch& batch : plan) {
    const auto tokens = static_cast<double>(Tokens(batch, lengths));
    *std::ranges::min_element(busy_until) += tokens;
    total += tokens;
  }
  return std::ranges::max(busy_until) * static_cast<double>(num_workers) / total;
}

TEST(BatchPlan, WorkersOfAPlanOfManyBatchesAreDoneAtTheSameTime) {
  std::mt19937 generator(5);
  for (const size_t workers : {2u, 3u, 4u, 8u}) {
    for (int round = 0; round < 50; ++round) {
      std::vector<int32_t> lengths(500 * workers);
      for (int32_t& length : lengths) length = 10 + static_cast<int32_t>(generator() % 60);
      const auto plan = PlanBatches(lengths, {.token_budget = 512, .num_workers = workers});
      EXPECT_LT(Makespan(plan, lengths, workers), 1.007) << workers << " workers";
    }
  }
}

TEST(BatchPlan, TheBatchesOfOneWorkerAreAllFull) {
  const std::vector<int32_t> lengths(1000, 64);
  const auto plan = PlanBatches(lengths, {.token_budget = 512, .num_workers = 1});
  EXPECT_EQ(plan.size(), 125u);
}

TEST(BatchPlan, OneBatchIsNotSplitForTheWorkers) {
  // The team shares it by rows and heads instead.
  const auto batches =
      PlanBatches(std::vector<int32_t>(10, 10), {.token_budget = 512, .num_workers = 4});
  EXPECT_EQ(batches.size(), 1u);
}

// Of a plan with a batch for each length.
size_t OfTheTeam(const std::vector<int32_t>& lengths, size_t num_workers, size_t least_tokens = 1) {
  std::vector<Batch> plan;
  for (uint32_t i = 0; i < lengths.size(); ++i) plan.push_back({i});
  return BatchesOfTheTeam(plan, lengths, num_workers, least_tokens);
}

TEST(BatchPlan, OneBatchIsTheTeams) {
  EXPECT_EQ(OfTheTeam({512}, 2), 1u);
  EXPECT_EQ(OfTheTeam({512}, 8), 1u);
  EXPECT_EQ(OfTheTeam({512}, 1), 0u);
}

TEST(BatchPlan, WhatIsLeftOverWhenTheWorkersHaveEqualPartsIsTheTeams) {
  EXPECT_EQ(OfTheTeam({512, 512}, 2), 0u);
  EXPECT_EQ(OfTheTeam({512, 512, 512}, 2), 1u);
  EXPECT_EQ(OfTheTeam({512, 512, 512, 512}, 2), 0u);
  EXPECT_EQ(OfTheTeam(std::vector<int32_t>(9, 512), 8), 1u);
  EXPECT_EQ(OfTheTeam(std::vector<int32_t>(13, 512), 8), 5u);
  // Seven of eight have work, apart; a team would be no better.
  EXPECT_EQ(OfTheTeam(std::vector<int32_t>(15, 512), 8), 0u);
}

TEST(BatchPlan, ABatchThatIsMuchLongerThanTheOthersIsTheTeams) {
  EXPECT_EQ(OfTheTeam({512, 100, 100}, 2), 1u);
  EXPECT_EQ(OfTheTeam({512, 500, 100}, 2), 0u);
  EXPECT_EQ(OfTheTeam({512, 100}, 2), 2u);
}

TEST(BatchPlan, ATeamTakesNoBatchThatIsTooSmallForIt) {
  EXPECT_EQ(OfTheTeam({20}, 2, 30), 0u);
  EXPECT_EQ(OfTheTeam({512, 20, 20}, 4, 30), 1u);
}

TEST(BatchPlan, TheTeamsPartIsKnownAtOnceForAnyNumberOfThreads) {
  // Each worker's simulation for each number of batches would be 10^10 steps.
  EXPECT_EQ(OfTheTeam(std::vector<int32_t>(8 * 1024, 64), 1024), 0u);
  EXPECT_EQ(OfTheTeam(std::vector<int32_t>(1025, 64), 1024), 1u);
}

TEST(BatchPlan, APlanOfManyBatchesNeedsNoTeam) {
  EXPECT_EQ(OfTheTeam(std::vector<int32_t>(101, 512), 2), 0u);
}

}  // namespace
}  // namespace akin::batching
