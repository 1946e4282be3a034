#include "encoder/position_bias.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <vector>

namespace akin::encoder {
namespace {

TEST(RelativeBucket, NearDistancesHaveBucketsOfTheirOwn) {
  const model::RelativeBias bias{.num_buckets = 32, .max_distance = 128};
  for (int distance = 0; distance < 8; ++distance)
    EXPECT_EQ(RelativeBucket(-distance, bias), distance);
  for (int distance = 1; distance < 8; ++distance)
    EXPECT_EQ(RelativeBucket(distance, bias), 16 + distance);
}

// transformers' T5Attention._relative_position_bucket for 32 buckets up to 128.
TEST(RelativeBucket, FarDistancesShareBucketsUpToTheLast) {
  const model::RelativeBias bias{.num_buckets = 32, .max_distance = 128};
  const std::vector<std::pair<int, int>> expected = {
      {8, 8},   {11, 8},  {12, 9},  {15, 9},  {16, 10}, {22, 10},  {23, 11},  {31, 11},
      {32, 12}, {63, 13}, {64, 14}, {90, 14}, {91, 15}, {128, 15}, {5000, 15}};
  for (const auto& [distance, bucket] : expected) {
    EXPECT_EQ(RelativeBucket(-distance, bias), bucket) << distance;
    EXPECT_EQ(RelativeBucket(distance, bias), 16 + bucket) << distance;
  }
}

TEST(AlibiSlopes, ArePowersForPowersOfTwoAndInterleavedElsewhere) {
  EXPECT_EQ(AlibiSlopes(8), (std::vector<float>{0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f, 0.015625f,
                                                0.0078125f, 0.00390625f}));
  const std::vector<float> six = AlibiSlopes(6);
  ASSERT_EQ(six.size(), 6u);
  EXPECT_FLOAT_EQ(six[3], 0.00390625f);  // The last of four.
  EXPECT_FLOAT_EQ(six[4], 0.5f);         // The first and the third of eight.
  EXPECT_FLOAT_EQ(six[5], 0.125f);
}

TEST(DisentangledRows, AreDistancesNearAndBucketsFar) {
  const model::Disentangled d{.position_buckets = 16, .max_relative_positions = 64};
  const int max_positions = 100;
  const std::vector<int32_t> rows = DisentangledRows(d, max_positions);
  ASSERT_EQ(rows.size(), 199u);
  const auto row = [&](int distance) { return rows[static_cast<size_t>(99 + distance)]; };
  EXPECT_EQ(row(0), 16);
  for (int distance = -8; distance <= 8; ++distance) EXPECT_EQ(row(distance), 16 + distance);
  for (int distance = -98; distance <= 99; ++distance) {
    EXPECT_LE(row(distance - 1), row(distance)) << distance;
    EXPECT_GE(row(distance), 0);
    EXPECT_LT(row(distance), 32);
  }
  EXPECT_EQ(row(63), 16 + 15);  // The last bucket begins at max_relative_positions - 1.
}

TEST(DisentangledRows, WithoutBucketsAreDistancesWithinTheSpan) {
  const model::Disentangled d{.position_buckets = -1, .max_relative_positions = 5};
  const std::vector<int32_t> rows = DisentangledRows(d, 9);
  EXPECT_EQ(rows, (std::vector<int32_t>{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9}));
}

}  // namespace
}  // namespace akin::encoder
