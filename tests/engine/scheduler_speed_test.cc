#include "engine/scheduler_speed.h"

#include <gtest/gtest.h>

#include <chrono>

namespace akin::engine {
namespace {

using std::chrono::milliseconds;

// What `Retry-After` says.
TEST(SchedulerSpeed, TheTimeUntilThereIsRoomGrowsWithWhatWaits) {
  SchedulerSpeed speed;
  EXPECT_EQ(speed.SecondsFor(1'000'000, 2), 1);  // Nothing is known yet.
  speed.AddBatch(500, 1, milliseconds(500));     // 1,000 a second and thread.
  EXPECT_EQ(speed.SecondsFor(0, 2), 1);
  EXPECT_EQ(speed.SecondsFor(2'000, 2), 1);
  EXPECT_EQ(speed.SecondsFor(2'001, 2), 2);
  EXPECT_EQ(speed.SecondsFor(60'000, 2), 30);
  EXPECT_EQ(speed.SecondsFor(60'000, 1), 60);
  EXPECT_EQ(speed.SecondsFor(int64_t{1} << 60, 1), 3600);
}

TEST(SchedulerSpeed, ThreadsOfABatchShareItsSpeed) {
  SchedulerSpeed speed;
  speed.AddBatch(500, 2, milliseconds(250));
  EXPECT_DOUBLE_EQ(speed.tokens_per_second(), 1'000);
}

}  // namespace
}  // namespace akin::engine
