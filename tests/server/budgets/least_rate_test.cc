#include "server/budgets/least_rate.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What is documented is what they are (docs/serving.md).
static_assert(LeastRate::kAlways.grace == seconds(10) &&
              LeastRate::kAlways.bytes_per_second == 1 << 10);
static_assert(LeastRate::kInRoom.grace == seconds(5) &&
              LeastRate::kInRoom.bytes_per_second == 64 << 10);

class LeastRates : public testing::TestWithParam<LeastRate::Terms> {
 protected:
  const milliseconds grace_ = GetParam().grace;
  const size_t bytes_ = GetParam().bytes_per_second;  // Of a second.
  const LeastRate::TimePoint begin_{seconds(1000)};
  LeastRate rate_{GetParam(), begin_};
};

TEST_P(LeastRates, SilenceIsTooSlowAfterTheGrace) {
  EXPECT_FALSE(rate_.IsTooSlow(begin_ + grace_ - milliseconds(1)));
  EXPECT_TRUE(rate_.IsTooSlow(begin_ + grace_));
}

TEST_P(LeastRates, WhatCameFastPaysForTheGraceAndNoMore) {
  rate_.Arrived(2'000 * bytes_, begin_ + seconds(3));
  EXPECT_FALSE(rate_.IsTooSlow(begin_ + seconds(3) + grace_ - milliseconds(1)));
  EXPECT_TRUE(rate_.IsTooSlow(begin_ + seconds(3) + grace_));
  rate_.Arrived(SIZE_MAX, begin_ + seconds(4));
  EXPECT_TRUE(rate_.IsTooSlow(begin_ + seconds(4) + grace_));
}

TEST_P(LeastRates, TheLeastRateIsEnoughForEverAndHalfOfItForTwiceTheGrace) {
  LeastRate half = rate_;
  const auto last = 2 * grace_ / seconds(1) - 1;
  for (int second = 1; second <= 2'000; ++second) {
    const auto now = begin_ + seconds(second);
    EXPECT_FALSE(rate_.IsTooSlow(now)) << second;
    EXPECT_EQ(half.IsTooSlow(now), second >= last) << second;
    rate_.Arrived(bytes_, now);
    if (second < last) half.Arrived(bytes_ / 2, now);
  }
}

TEST_P(LeastRates, TimeInWhichItWasNotReadIsForgiven) {
  rate_.Forgive(seconds(5));
  EXPECT_FALSE(rate_.IsTooSlow(begin_ + grace_ + milliseconds(4'999)));
  EXPECT_TRUE(rate_.IsTooSlow(begin_ + grace_ + seconds(5)));
}

INSTANTIATE_TEST_SUITE_P(LeastRate, LeastRates,
                         testing::Values(LeastRate::kAlways, LeastRate::kInRoom));

}  // namespace
}  // namespace akin::server
