#include "server/log.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <sstream>
#include <string>
#include <thread>
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

// Standard error is one end of a pair while it lives.
class PairedStderr {
 public:
  enum class Kind { kPipe, kPackets };

  explicit PairedStderr(Kind kind) {
    if (kind == Kind::kPipe) {
      EXPECT_EQ(pipe(ends_), 0);
    } else {
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends_), 0);
    }
    old_ = dup(STDERR_FILENO);
    dup2(ends_[1], STDERR_FILENO);
    close(ends_[1]);
  }
  ~PairedStderr() {
    dup2(old_, STDERR_FILENO);
    close(old_);
    if (ends_[0] >= 0) close(ends_[0]);
  }
  // What can be read at once, at most `most` bytes; of packets, one.
  std::string Take(size_t most = 65536) const {
    std::string bytes(most, '\0');
    pollfd readable{.fd = ends_[0], .events = POLLIN, .revents = 0};
    const bool is_there = poll(&readable, 1, 0) == 1 && (readable.revents & POLLIN) != 0;
    const ssize_t taken = is_there ? read(ends_[0], bytes.data(), most) : 0;
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(taken, 0)));
    return bytes;
  }
  // All that is there, and that the logger has.
  std::string TakeAll(Logger& logger) const {
    std::string all;
    for (std::string more = Take(); !more.empty(); more = Take()) {
      all += more;
      logger.Flush();
    }
    return all;
  }
  void CloseReader() { close(std::exchange(ends_[0], -1)); }

 private:
  int ends_[2] = {-1, -1};
  int old_ = -1;
};

const std::string kText(100, 'x');
constexpr int kLines = 20'000;  // Of more than a pipe and the memory for them hold.

void LogMany(Logger& logger) {
  for (int i = 0; i < kLines; ++i)
    logger.Log(LogLevel::kInfo, "event", {{"i", i}, {"text", kText}});
}

// As of a server that was started with a pipe for its lines, which nobody then reads.
TEST(Log, WaitsForNobody) {
  const PairedStderr reader(PairedStderr::Kind::kPipe);
  Logger logger(LogLevel::kInfo, false);
  LogMany(logger);
  // Without another event.
  std::istringstream lines(reader.TakeAll(logger));
  int next = 0, left_out = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("nobody has read them count=") != std::string::npos) {
      left_out = std::stoi(line.substr(line.rfind('=') + 1));
    } else {
      EXPECT_NE(line.find(" event i=" + std::to_string(next++) + " text=\"" + kText + '"'),
                std::string::npos)
          << line;
    }
  }
  EXPECT_GT(left_out, 0);
  EXPECT_EQ(next + left_out, kLines);
  EXPECT_GT(static_cast<size_t>(next) * kText.size(), Logger::kMostWaiting / 2);
  logger.Log(LogLevel::kInfo, "read again");
  EXPECT_TRUE(reader.TakeAll(logger).ends_with(" read again\n"));
}

// Others may write to the same pipe.
TEST(Log, WritesWholeLines) {
  const PairedStderr reader(PairedStderr::Kind::kPackets);
  Logger logger(LogLevel::kInfo, false);
  LogMany(logger);
  int packets = 0, of_several = 0;
  for (std::string packet = reader.Take(); !packet.empty(); packet = reader.Take(), ++packets) {
    EXPECT_EQ(packet.back(), '\n');
    if (packet.find('\n') + 1 < packet.size()) ++of_several;
    logger.Flush();
  }
  EXPECT_GT(packets, 100);
  EXPECT_GT(of_several, 100);
}

TEST(Log, ASlowReaderHasAMomentAtTheEnd) {
  const PairedStderr reader(PairedStderr::Kind::kPipe);
  std::atomic<bool> over = false;
  std::thread slow;
  const auto start = std::chrono::steady_clock::now();
  {
    Logger logger(LogLevel::kInfo, false);
    LogMany(logger);
    slow = std::thread([&] {
      while (!over) {
        reader.Take(4096);
        std::this_thread::sleep_for(Logger::kLastMoment / 5);
      }
    });
  }
  const auto took = std::chrono::steady_clock::now() - start;
  over = true;
  slow.join();
  EXPECT_GE(took, Logger::kLastMoment);
  EXPECT_LT(took, 20 * Logger::kLastMoment);  // At this pace all would take half a minute.
}

TEST(Log, GoesOnWithoutAReader) {
  signal(SIGPIPE, SIG_IGN);
  PairedStderr reader(PairedStderr::Kind::kPipe);
  reader.CloseReader();
  Logger logger(LogLevel::kInfo, true);
  LogMany(logger);
}

}  // namespace
}  // namespace akin::server
