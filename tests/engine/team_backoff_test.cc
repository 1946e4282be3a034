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

TEST(TeamBackoff, LossesThatWereGainedBeforeAreNoReason) {
  TeamBackoff backoff;
  // Each of these gains 2 x 0.9 - 1 = 0.8 ms, each of the others loses 4.2.
  const TeamTimes good{.size = 2, .elapsed = milliseconds(1), .waited = microseconds(100)};
  const TeamTimes bad{.size = 2, .elapsed = milliseconds(6), .waited = microseconds(5100)};
  for (int i = 0; i < 6; ++i) backoff.Record(good, kNow);
  backoff.Record(bad, kNow);
  EXPECT_TRUE(backoff.Pays(kNow));
  // More than 20 ms are forgotten: of five losses in a row the last is too much.
  for (int i = 0; i < 1000; ++i) backoff.Record(good, kNow);
  for (int i = 0; i < 4; ++i) backoff.Record(bad, kNow);
  EXPECT_TRUE(backoff.Pays(kNow));
  backoff.Record(bad, kNow);
  EXPECT_FALSE(backoff.Pays(kNow + milliseconds(83)));
  EXPECT_TRUE(backoff.Pays(kNow + milliseconds(84)));
  // The next try has nothing to lose.
  backoff.Record(bad, kNow + milliseconds(90));
  EXPECT_FALSE(backoff.Pays(kNow + milliseconds(90 + 83)));
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
