#include "server/http/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <limits>

namespace akin::server {
namespace {

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

TEST(ConnectionsWithin, AllThatAreWantedWhereTheLimitLetsThem) {
  EXPECT_EQ(ConnectionsWithin(kNoLimit, 4096, 64), 4096u);
  EXPECT_EQ(ConnectionsWithin(4096 + 512 + 64, 4096, 64), 4096u);
  EXPECT_EQ(ConnectionsWithin(1024, 1, 64), 1u);
}

TEST(ConnectionsWithin, LeavesAnEighthToThoseThatEndAndTheRestOfTheProcess) {
  EXPECT_EQ(ConnectionsWithin(1024, 4096, 64), 854u);
  for (size_t limit = 130; limit < 3000; ++limit) {
    const size_t connections = ConnectionsWithin(limit, 4096, 64);
    EXPECT_LE(connections + connections / 8 + 64, limit);
    EXPECT_GT(connections + 1 + (connections + 1) / 8 + 64, limit);  // No more would fit.
  }
}

TEST(ConnectionsWithin, HalfOfALimitThatIsTooSmallForBoth) {
  EXPECT_EQ(ConnectionsWithin(64, 4096, 64), 29u);
  EXPECT_EQ(ConnectionsWithin(100, 4096, 1000), 45u);
  for (const size_t limit : {0u, 1u, 2u, 3u}) EXPECT_EQ(ConnectionsWithin(limit, 4096, 64), 1u);
}

TEST(RaiseDescriptorLimit, AsFarAsTheHardLimitAndNoFurtherThanIsNeeded) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_GE(before.rlim_max, 800u);
  rlimit small = before;
  small.rlim_cur = 200;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  EXPECT_EQ(RaiseDescriptorLimit(80, 64), 200u);   // Enough as it is.
  EXPECT_EQ(RaiseDescriptorLimit(400, 64), 514u);  // Each eighth of them may be about to end.
  EXPECT_EQ(RaiseDescriptorLimit(kNoLimit / 4, 64), before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace akin::server
