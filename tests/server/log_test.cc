#include "server/log.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <sstream>
#include <string>
#include <utility>

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

// Standard error is a pipe while it lives.
class PipedStderr {
 public:
  PipedStderr() {
    EXPECT_EQ(pipe(ends_), 0);
    old_ = dup(STDERR_FILENO);
    dup2(ends_[1], STDERR_FILENO);
    close(ends_[1]);
  }
  ~PipedStderr() {
    Restore();
    close(ends_[0]);
  }
  void Restore() {
    if (old_ < 0) return;
    dup2(old_, STDERR_FILENO);
    close(std::exchange(old_, -1));
  }
  // What stands in it.
  std::string Take() const {
    std::string all;
    char buffer[65536];
    pollfd readable{.fd = ends_[0], .events = POLLIN, .revents = 0};
    while (poll(&readable, 1, 0) == 1 && (readable.revents & POLLIN) != 0)
      all.append(buffer, static_cast<size_t>(read(ends_[0], buffer, sizeof buffer)));
    return all;
  }

 private:
  int ends_[2] = {-1, -1};
  int old_ = -1;
};

// As of a server that was started with a pipe for its lines, which nobody then reads.
TEST(Log, WaitsForNobody) {
  PipedStderr reader;
  const std::string text(100, 'x');
  constexpr int kLines = 20'000;  // Of more than the pipe and the memory for them hold.
  std::string all;
  int left_out = 0;
  {
    Logger logger(LogLevel::kInfo, false);
    for (int i = 0; i < kLines; ++i)
      logger.Log(LogLevel::kInfo, "event", {{"i", i}, {"text", text}});
    for (std::string more; more = reader.Take(), !more.empty(); logger.Flush()) all += more;
    logger.Log(LogLevel::kInfo, "read again");
    for (std::string more; more = reader.Take(), !more.empty(); logger.Flush()) all += more;
  }
  std::istringstream lines(all);
  int next = 0;
  bool read_again = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("nobody has read them count=") != std::string::npos) {
      left_out = std::stoi(line.substr(line.rfind('=') + 1));
    } else if (line.ends_with("read again")) {
      read_again = true;
    } else {
      EXPECT_NE(line.find(" event i=" + std::to_string(next++) + " text=\"" + text + '"'),
                std::string::npos)
          << line;
    }
  }
  EXPECT_GT(left_out, 0);
  EXPECT_EQ(next + left_out, kLines);
  EXPECT_TRUE(read_again);
  EXPECT_GT(static_cast<size_t>(next) * text.size(), Logger::kMostWaiting / 2);
}

TEST(Log, GoesOnWithoutAReader) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int old = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  close(ends[0]);
  {
    Logger logger(LogLevel::kInfo, true);
    for (int i = 0; i < 1000; ++i) logger.Log(LogLevel::kInfo, "event");
  }
  dup2(old, STDERR_FILENO);
  close(old);
}

}  // namespace
}  // namespace akin::server
