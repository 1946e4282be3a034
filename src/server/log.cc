#include "server/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <utility>

#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

// A pipe that can be written to takes as much as this without making its writer wait, and in one
// piece, whoever else writes to it: lines are kept whole where they are no longer.
constexpr size_t kPiece = PIPE_BUF;

// The next piece of whole lines, or of one that is longer.
size_t PieceOf(std::string_view lines) {
  const size_t end = lines.substr(0, kPiece).rfind('\n');
  return end == std::string_view::npos ? std::min(lines.size(), kPiece) : end + 1;
}

constexpr std::pair<LogLevel, std::string_view> kLevels[] = {{LogLevel::kDebug, "debug"},
                                                             {LogLevel::kInfo, "info"},
                                                             {LogLevel::kWarn, "warn"},
                                                             {LogLevel::kError, "error"}};

std::string_view LevelName(LogLevel level) { return kLevels[static_cast<size_t>(level)].second; }

// "2026-01-31T12:00:00.123Z"
std::string Timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts = {};
  gmtime_r(&seconds, &parts);
  char buffer[32];
  std::string out(buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S.", &parts));
  const std::string digits = std::to_string(1000 + milliseconds);
  return out + digits.substr(1) + 'Z';
}

std::string Fixed(double value) {
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, 3);
  return end.ec == std::errc() ? std::string(buffer, end.ptr) : "0";
}

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view name) {
  for (const auto& [level, level_name] : kLevels) {
    if (name == level_name) return level;
  }
  return InvalidInput("the log level is '", name, "', expected debug, info, warn or error");
}

LogField::LogField(std::string_view the_key, int64_t number)
    : key(the_key), value(std::to_string(number)), is_number(true) {}
LogField::LogField(std::string_view the_key, double milliseconds)
    : key(the_key), value(Fixed(milliseconds)), is_number(true) {}

LogLevel LevelOfRequest(bool is_probe, int status, bool is_loading) {
  if (status >= 500 && !(is_probe && is_loading && status == 503)) return LogLevel::kWarn;
  return is_probe ? LogLevel::kDebug : LogLevel::kInfo;
}

std::string ListOf(std::span<const int32_t> numbers) {
  std::string out;
  for (const int32_t number : numbers) out += StrCat(out.empty() ? "" : " ", number);
  return out;
}

std::string Logger::Line(LogLevel level, std::string_view message,
                         const std::vector<LogField>& fields) const {
  std::string line;
  if (json_) {
    JsonObject object(line);
    object.Add("time", Timestamp()).Add("level", LevelName(level)).Add("message", message);
    for (const LogField& field : fields) {
      field.is_number ? object.AddRaw(field.key, field.value) : object.Add(field.key, field.value);
    }
  } else {
    line = StrCat(Timestamp(), ' ', LevelName(level), ' ', message);
    for (const LogField& field : fields) {
      // Of what clients choose only ids get here; quotes keep them in one piece.
      line += StrCat(' ', field.key, '=');
      field.is_number ? void(line += field.value) : AppendJsonString(line, field.value);
    }
  }
  line += '\n';
  return line;
}

void Logger::Log(LogLevel level, std::string_view message, std::vector<LogField> fields) {
  if (!Wants(level)) return;
  const std::string line = Line(level, message, fields);
  const std::lock_guard lock(mutex_);
  Write(std::chrono::milliseconds(0));
  if (left_out_ > 0 || waiting().size() + line.size() > kMostWaiting) {
    ++left_out_;  // Also what would fit, until it is said: lines stay in their order.
    return;
  }
  lines_ += line;
  Write(std::chrono::milliseconds(0));
}

void Logger::Flush(std::chrono::milliseconds within) {
  const std::lock_guard lock(mutex_);
  Write(within);
}

// Once half of the room is there again: not a line for each that is read.
void Logger::AddLeftOut() {
  if (left_out_ == 0 || waiting().size() > kMostWaiting / 2) return;
  lines_ += Line(LogLevel::kWarn, "lines were left out: nobody has read them",
                 {{"count", std::exchange(left_out_, 0)}});
}

void Logger::Write(std::chrono::milliseconds within) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + within;
  AddLeftOut();
  while (!waiting().empty()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    pollfd standard_error{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    const int ready =
        poll(&standard_error, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) break;
    const ssize_t taken = write(STDERR_FILENO, waiting().data(), PieceOf(waiting()));
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    // Nobody reads standard error any more; the server goes on.
    written_ = taken < 0 ? lines_.size() : written_ + static_cast<size_t>(taken);
    AddLeftOut();
  }
  // What is written goes when it is as much as what is not: each byte is moved once at most.
  if (written_ < waiting().size()) return;
  lines_.erase(0, written_);
  written_ = 0;
}

}  // namespace akin::server
