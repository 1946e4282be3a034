#include "server/log.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

TEST(Log, AProbeIsAWarningUnlessItAsksWhileAModelLoads) {
  EXPECT_EQ(LevelOfRequest(true, 200, false), LogLevel::kDebug);
  EXPECT_EQ(LevelOfRequest(true, 503, true), LogLevel::kDebug);
  EXPECT_EQ(LevelOfRequest(true, 503, false), LogLevel::kWarn);
  EXPECT_EQ(LevelOfRequest(true, 500, true), LogLevel::kWarn);
}

TEST(Log, AnErrorOfTheServersOwnIsAWarning) {
  EXPECT_EQ(LevelOfRequest(false, 200, false), LogLevel::kInfo);
  EXPECT_EQ(LevelOfRequest(false, 400, false), LogLevel::kInfo);
  EXPECT_EQ(LevelOfRequest(false, 503, true), LogLevel::kWarn);
  EXPECT_EQ(LevelOfRequest(false, 500, false), LogLevel::kWarn);
}

}  // namespace
}  // namespace akin::server
