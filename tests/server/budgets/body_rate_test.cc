#include "server/budgets/body_rate.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// 1 KiB/s, 10 s.
struct Body {
  BodyRate::TimePoint begin{seconds(1000)};
  BodyRate rate{seconds(10), 1024, begin};
};

TEST(BodyRate, SilenceIsTooSlowAfterTheGrace) {
  const Body body;
  EXPECT_FALSE(body.rate.IsTooSlow(body.begin + milliseconds(9'999)));
  EXPECT_TRUE(body.rate.IsTooSlow(body.begin + seconds(10)));
}

TEST(BodyRate, WhatCameFastPaysForTheGraceAndNoMore) {
  Body body;
  body.rate.Arrived(2'000'000, body.begin + seconds(3));
  EXPECT_FALSE(body.rate.IsTooSlow(body.begin + milliseconds(12'999)));
  EXPECT_TRUE(body.rate.IsTooSlow(body.begin + seconds(13)));
  body.rate.Arrived(SIZE_MAX, body.begin + seconds(12));
  EXPECT_TRUE(body.rate.IsTooSlow(body.begin + seconds(22)));
}

TEST(BodyRate, TheLeastRateIsEnoughForEverAndHalfOfItForTwiceTheGrace) {
  Body least, half;
  for (int second = 1; second <= 2'000; ++second) {
    const auto now = least.begin + seconds(second);
    EXPECT_FALSE(least.rate.IsTooSlow(now)) << second;
    EXPECT_EQ(half.rate.IsTooSlow(now), second >= 19) << second;
    least.rate.Arrived(1024, now);
    if (second < 19) half.rate.Arrived(512, now);
  }
}

TEST(BodyRate, TimeInWhichItWasNotReadIsForgiven) {
  Body body;
  body.rate.Forgive(seconds(5));
  EXPECT_FALSE(body.rate.IsTooSlow(body.begin + milliseconds(14'999)));
  EXPECT_TRUE(body.rate.IsTooSlow(body.begin + seconds(15)));
}

}  // namespace
}  // namespace akin::server
