#include "engine/team_backoff.h"

#include <gtest/gtest.h>

namespace akin::engine {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TeamBackoff::TimePoint kNow{seconds(1000)};

TEST(TeamBackoff, PaysUntilATeamHasLost) {
  TeamBackoff backoff;
  EXPECT_TRUE(backoff.Pays(kNow));
  // Half of the time is what two threads may wait: alone it would have taken as long.
  backoff.Record({.size = 2, .elapsed = microseconds(400), .waited = microseconds(200)}, kNow);
  EXPECT_TRUE(backoff.Pays(kNow));
  // Four threads are worth having until three quarters of the time are lost.
  backoff.Record({.size = 4, .elapsed = microseconds(400), .waited = microseconds(300)}, kNow);
  EXPECT_TRUE(backoff.Pays(kNow));
}

TEST(TeamBackoff, IsAsideForTwentyTimesWhatWasLost) {
  TeamBackoff backoff;
  // 1 ms of work for each of two: alone 2 ms, so that 8 of the 10 are lost.
  backoff.Record({.size = 2, .elapsed = milliseconds(10), .waited = milliseconds(9)}, kNow);
  EXPECT_FALSE(backoff.Pays(kNow));
  EXPECT_FALSE(backoff.Pays(kNow + milliseconds(159)));
  EXPECT_TRUE(backoff.Pays(kNow + milliseconds(160)));
}

TEST(TeamBackoff, TriesAgainAfterFiveSecondsAtTheLatest) {
  TeamBackoff backoff;
  backoff.Record({.size = 2, .elapsed = seconds(60), .waited = seconds(59)}, kNow);
  EXPECT_FALSE(backoff.Pays(kNow + milliseconds(4999)));
  EXPECT_TRUE(backoff.Pays(kNow + seconds(5)));
}

TEST(TeamBackoff, OneThreadIsNoTeam) {
  TeamBackoff backoff;
  backoff.Record({.size = 1, .elapsed = seconds(1), .waited = seconds(1)}, kNow);
  EXPECT_TRUE(backoff.Pays(kNow));
}

}  // namespace
}  // namespace akin::engine
