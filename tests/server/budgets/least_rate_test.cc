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
  rate_.Forgive(seconds(4), begin_ + seconds(4));
  EXPECT_FALSE(rate_.IsTooSlow(begin_ + grace_ + milliseconds(3'999)));
  EXPECT_TRUE(rate_.IsTooSlow(begin_ + grace_ + seconds(4)));
}

TEST_P(LeastRates, MoreThanTheGraceIsNotForgiven) {
  const auto now = begin_ + seconds(1);
  rate_.Forgive(seconds(1000), now);
  EXPECT_FALSE(rate_.IsTooSlow(now + grace_ - milliseconds(1)));
  EXPECT_TRUE(rate_.IsTooSlow(now + grace_));
}

TEST_P(LeastRates, WhoWasSlowForLongAndNoLongerIsHasCaughtUpAfterTheGrace) {
  int second = 0;
  const auto send = [&](size_t bytes) {
    ++second;
    rate_.Arrived(bytes, begin_ + seconds(second));
  };
  while (second < 3'600) send(bytes_ / 2);
  EXPECT_TRUE(rate_.IsTooSlow(begin_ + seconds(second)));
  for (int i = 0; i < grace_ / seconds(1); ++i) {
    EXPECT_TRUE(rate_.IsTooSlow(begin_ + seconds(second))) << i;
    send(2 * bytes_);
  }
  send(2 * bytes_);
  EXPECT_FALSE(rate_.IsTooSlow(begin_ + seconds(second)));
  // At exactly the least rate it stays behind.
  LeastRate other(GetParam(), begin_);
  for (int i = 1; i <= 3'600; ++i) other.Arrived(i <= 1'800 ? 1 : bytes_, begin_ + seconds(i));
  EXPECT_TRUE(other.IsTooSlow(begin_ + seconds(3'600)));
}

INSTANTIATE_TEST_SUITE_P(LeastRate, LeastRates,
                         testing::Values(LeastRate::kAlways, LeastRate::kInRoom));

}  // namespace
}  // namespace akin::server
