#include "server/log.h"

#include <gtest/gtest.h>

#include <string>

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

TEST(Log, AnEventIsOneLineWhateverItsFieldsHold) {
  for (const bool json : {false, true}) {
    testing::internal::CaptureStderr();
    Logger(LogLevel::kInfo, json)
        .Log(LogLevel::kWarn, "request", {{"id", "a\nb\x1b[31m\"c"}, {"status", 200}});
    Logger(LogLevel::kWarn, json).Log(LogLevel::kInfo, "below the least level");
    const std::string line = testing::internal::GetCapturedStderr();
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
    const char* const expected =
        json ? R"("level":"warn","message":"request","id":"a\nb\u001b[31m\"c","status":200})"
             : R"( warn request id="a\nb\u001b[31m\"c" status=200)";
    EXPECT_TRUE(line.ends_with(std::string(expected) + '\n')) << line;
  }
}

}  // namespace
}  // namespace akin::server
