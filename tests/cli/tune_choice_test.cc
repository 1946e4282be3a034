// What `akin tune` takes of what it has measured, by numbers that are given.
#include "cli/tune_choice.h"

#include <gtest/gtest.h>

namespace akin::cli {
namespace {

Candidate Measured(int threads, int batch_tokens, std::vector<double> texts_per_second) {
  return {threads, batch_tokens, {}, std::move(texts_per_second)};
}

TEST(TuneChoice, TheRatioIsThatOfTheMedians) {
  const Tuning tuning =
      TuningOf({Measured(2, 512, {100, 90, 400}), Measured(2, 256, {150, 120, 500})});
  EXPECT_EQ(tuning.threads, 2);
  EXPECT_EQ(tuning.batch_tokens, 256);
  EXPECT_EQ(tuning.texts_per_second, 150);
  EXPECT_EQ(tuning.default_texts_per_second, 100);
  EXPECT_EQ(BestLine(tuning), "best: 2 threads, batches of 256 tokens, 1.50 x the default\n");
}

TEST(TuneChoice, TheFastestOfSeveralIsTaken) {
  const Tuning tuning = TuningOf({Measured(2, 512, {100}), Measured(2, 128, {110}),
                                  Measured(2, 1024, {132}), Measured(2, 2048, {120})});
  EXPECT_EQ(tuning.batch_tokens, 1024);
  EXPECT_EQ(BestLine(tuning), "best: 2 threads, batches of 1,024 tokens, 1.32 x the default\n");
}

TEST(TuneChoice, TheDefaultStaysUnlessItIsClearlySlower) {
  const auto budget = [](std::vector<double> usual, std::vector<double> other) {
    return TuningOf({Measured(2, 512, std::move(usual)), Measured(2, 256, std::move(other))})
        .batch_tokens;
  };
  EXPECT_EQ(budget({100, 100, 100, 100}, {101, 101, 101, 101}), 512);  // By less than 2 %.
  EXPECT_EQ(budget({100, 100, 100, 100}, {103, 103, 103, 103}), 256);
  EXPECT_EQ(budget({100, 100, 100, 100}, {90, 90, 115, 115}), 512);  // In half of the rounds only.
  EXPECT_EQ(budget({100, 100, 100, 100}, {90, 115, 115, 115}), 256);
  EXPECT_EQ(budget({100, 100, 100, 100}, {80, 80, 80, 80}), 512);
  const Tuning same = TuningOf({Measured(2, 512, {100, 120, 110})});
  EXPECT_EQ(BestLine(same), "best: 2 threads, batches of 512 tokens, 1.00 x the default\n");
}

// A busy machine makes them seem so, and a single text takes longer with them.
TEST(TuneChoice, FewerThreadsAreFasterInAllRoundsOrNotTaken) {
  const auto threads = [](std::vector<double> usual, std::vector<double> other) {
    return TuningOf({Measured(2, 512, std::move(usual)), Measured(1, 512, std::move(other))})
        .threads;
  };
  EXPECT_EQ(threads({100, 100, 100, 100}, {103, 103, 103, 103}), 1);
  EXPECT_EQ(threads({387, 398, 398, 418}, {401, 412, 412, 415}), 2);  // Their ranges overlap.
  EXPECT_EQ(threads({100, 100, 100}, {137, 137, 137}), 2);            // Too few to tell.
}

}  // namespace
}  // namespace akin::cli
