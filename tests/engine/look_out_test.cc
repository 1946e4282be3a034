#include "engine/look_out.h"

#include <gtest/gtest.h>

namespace akin::engine {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

void Call(LookOut& look_out, int count, std::chrono::nanoseconds after) {
  for (int i = 0; i < count; ++i) look_out.Record(after);
}

TEST(LookOut, IsShortUntilCallsHaveComeSoon) {
  LookOut look_out;
  EXPECT_EQ(look_out.time(), kSpinTime);
  Call(look_out, 3, LookOut::kLongTime - microseconds(1));
  EXPECT_EQ(look_out.time(), LookOut::kLongTime);
}

TEST(LookOut, IsShortAgainWhereCallersTakeTheirTime) {
  LookOut look_out;
  Call(look_out, 10, microseconds(20));
  Call(look_out, 1, seconds(1));
  EXPECT_EQ(look_out.time(), LookOut::kLongTime) << "one of many";
  Call(look_out, 3, seconds(1));
  EXPECT_EQ(look_out.time(), kSpinTime);
  Call(look_out, 100, seconds(1));
  EXPECT_EQ(look_out.time(), kSpinTime);
  Call(look_out, 3, microseconds(20));
  EXPECT_EQ(look_out.time(), LookOut::kLongTime) << "they are back";
}

// It would spin for nothing.
TEST(LookOut, StaysShortForCallsJustBehindTheLongTime) {
  LookOut look_out;
  Call(look_out, 10, microseconds(20));
  Call(look_out, 3, LookOut::kLongTime + microseconds(1));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(look_out.time(), kSpinTime);
    Call(look_out, 1, LookOut::kLongTime + microseconds(1 + i % 60));
  }
}

}  // namespace
}  // namespace akin::engine
