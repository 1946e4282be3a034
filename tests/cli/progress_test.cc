#include "cli/progress.h"

#include <gtest/gtest.h>

namespace akin::cli {
namespace {

TEST(Progress, TimesReadLikeAClock) {
  EXPECT_EQ(ClockTime(0), "0:00");
  EXPECT_EQ(ClockTime(7.4), "0:07");
  EXPECT_EQ(ClockTime(61), "1:01");
  EXPECT_EQ(ClockTime(3723), "1:02:03");
  EXPECT_EQ(ClockTime(-1), "0:00");
  EXPECT_EQ(ClockTime(1e300), "99:59:59");
}

TEST(Progress, LineOfAnInputOfKnownSizeSaysWhatRemains) {
  EXPECT_EQ(ProgressLine(
                {.texts = 12345, .tokens = 155000, .bytes = 25, .total_bytes = 100, .seconds = 5}),
            "12,345 texts  2,469 texts/s  31,000 tokens/s  25%  0:15 left");
}

TEST(Progress, LineOfAPipeSaysRatesOnly) {
  EXPECT_EQ(ProgressLine({.texts = 1, .tokens = 5, .bytes = 25, .seconds = 1}),
            "1 text  1 texts/s  5 tokens/s");
}

TEST(Progress, NothingDoneYetIsNoDivisionByZero) {
  EXPECT_EQ(ProgressLine({.total_bytes = 0}), "0 texts  0 texts/s  0 tokens/s");
  EXPECT_EQ(ProgressLine({.total_bytes = 10}), "0 texts  0 texts/s  0 tokens/s");
}

TEST(Progress, FileThatGrewIsNotMoreThanDone) {
  EXPECT_EQ(ProgressLine({.texts = 2, .tokens = 2, .bytes = 200, .total_bytes = 100, .seconds = 1}),
            "2 texts  2 texts/s  2 tokens/s  100%  0:00 left");
}

}  // namespace
}  // namespace akin::cli
