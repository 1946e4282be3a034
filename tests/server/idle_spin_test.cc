#include "server/http/idle_spin.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

// A client that comes back `gap` after each of `count` answers.
IdleSpin::TimePoint Ask(IdleSpin& spin, int count, microseconds gap, IdleSpin::TimePoint now) {
  for (int i = 0; i < count; ++i) {
    spin.Answered(now);
    now += gap;
    spin.Arrived(now);
  }
  return now;
}

TEST(IdleSpin, SleepsUntilItHasSeenAClientComeBackSoon) {
  IdleSpin spin;
  IdleSpin::TimePoint now{seconds(1)};
  EXPECT_FALSE(spin.Spins(now));
  spin.Answered(now);
  EXPECT_FALSE(spin.Spins(now));
  now = Ask(spin, 3, microseconds(100), now);  // Being woken is part of that.
  EXPECT_FALSE(spin.Spins(now)) << "the request is being answered";
  spin.Answered(now);
  EXPECT_TRUE(spin.Spins(now));
}

TEST(IdleSpin, SpinsForAMomentOnly) {
  IdleSpin spin;
  IdleSpin::TimePoint now = Ask(spin, 10, microseconds(20), IdleSpin::TimePoint{seconds(1)});
  spin.Answered(now);
  EXPECT_TRUE(spin.Spins(now + IdleSpin::kSpinTime - microseconds(1)));
  EXPECT_FALSE(spin.Spins(now + IdleSpin::kSpinTime));
  EXPECT_FALSE(spin.Spins(now + seconds(10)));
}

TEST(IdleSpin, StopsWhereClientsTakeTheirTime) {
  IdleSpin spin;
  IdleSpin::TimePoint now = Ask(spin, 10, microseconds(20), IdleSpin::TimePoint{seconds(1)});
  now = Ask(spin, 1, microseconds(5000), now);
  spin.Answered(now);
  EXPECT_TRUE(spin.Spins(now)) << "one of many";
  now = Ask(spin, 3, microseconds(5000), now);
  spin.Answered(now);
  EXPECT_FALSE(spin.Spins(now));
  now = Ask(spin, 3, microseconds(20), now);
  spin.Answered(now);
  EXPECT_TRUE(spin.Spins(now)) << "they are back";
}

// The loop that spins sees what a sleeping one would have seen later.
TEST(IdleSpin, WhileItSpinsAClientHasToComeWithinThatTime) {
  IdleSpin spin;
  IdleSpin::TimePoint now = Ask(spin, 10, microseconds(20), IdleSpin::TimePoint{seconds(1)});
  now = Ask(spin, 3, IdleSpin::kSpinTime + microseconds(5), now);
  spin.Answered(now);
  EXPECT_FALSE(spin.Spins(now));
}

TEST(IdleSpin, RequestsThatMeetOthersSayNothing) {
  IdleSpin spin;
  IdleSpin::TimePoint now = Ask(spin, 10, microseconds(20), IdleSpin::TimePoint{seconds(1)});
  for (int i = 0; i < 100; ++i) spin.Arrived(now += seconds(1));
  spin.Answered(now);
  EXPECT_TRUE(spin.Spins(now));
}

}  // namespace
}  // namespace akin::server
