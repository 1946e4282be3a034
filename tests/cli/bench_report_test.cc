#include "cli/bench_report.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace akin::cli {
namespace {

// count, ..., 1
std::vector<double> Down(size_t count) {
  std::vector<double> values(count);
  std::iota(values.rbegin(), values.rend(), 1.0);
  return values;
}

TEST(Percentile, IsTheValueAtTheNearestRank) {
  EXPECT_EQ(ValueAtPercent(Down(1), 50), 1);
  EXPECT_EQ(ValueAtPercent(Down(3), 50), 2);
  EXPECT_EQ(ValueAtPercent(Down(4), 50), 2);
  EXPECT_EQ(ValueAtPercent(Down(5), 0), 1);
  EXPECT_EQ(ValueAtPercent(Down(5), 100), 5);
}

TEST(Percentile, TakesValuesOfWhichOneLiesAboveIt) {
  EXPECT_EQ(Percentile(Down(19), 95), std::nullopt);
  EXPECT_EQ(Percentile(Down(20), 95), 19);
  EXPECT_EQ(Percentile(Down(99), 99), std::nullopt);
  EXPECT_EQ(Percentile(Down(100), 99), 99);
  EXPECT_EQ(Percentile(Down(1000), 99), 990);
}

}  // namespace
}  // namespace akin::cli
