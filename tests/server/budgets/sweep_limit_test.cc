#include "server/budgets/sweep_limit.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SweepLimit::TimePoint kBegin{seconds(1000)};

// What is documented is what they are (docs/serving.md).
static_assert(kWaitingTime == seconds(10) && SweepLimit::kMost == 256);

TEST(SweepLimit, SoManyEndInASweepAndAllInTheEnd) {
  SweepLimit limit(2);
  const auto num_ended = [&](SweepLimit::TimePoint now) {
    int count = 0;
    for (int i = 0; i < 5; ++i) count += limit.MayEnd(kBegin, seconds(10), now);
    return count;
  };
  EXPECT_EQ(num_ended(kBegin + milliseconds(9'999)), 0);
  EXPECT_EQ(num_ended(kBegin + seconds(10)), 2);
  EXPECT_EQ(num_ended(kBegin + seconds(10)), 0) << "the same sweep";
  EXPECT_EQ(num_ended(kBegin + milliseconds(10'200)), 2);
  EXPECT_EQ(num_ended(kBegin + seconds(20)), 5);
}

}  // namespace
}  // namespace akin::server
