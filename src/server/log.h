// One line an event on standard error, as text or as JSON. Never the text of a request, a key, or a
// path that is not a route.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::server {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
// Error: InvalidInput with the names that exist.
Result<LogLevel> ParseLogLevel(std::string_view name);
// Of the line of an answered request. Probes ask on and on, and get 503 while a model loads or the
// server drains.
LogLevel LevelOfRequest(bool is_probe, int status, bool is_loading);

// A field of a log line: LogField("status", 200).
struct LogField {
  LogField(std::string_view the_key, std::string_view text) : key(the_key), value(text) {}
  LogField(std::string_view the_key, const char* text) : key(the_key), value(text) {}
  LogField(std::string_view the_key, const std::string& text) : key(the_key), value(text) {}
  LogField(std::string_view the_key, int64_t number);
  LogField(std::string_view the_key, int number) : LogField(the_key, int64_t{number}) {}
  LogField(std::string_view the_key, double milliseconds);

  std::string_view key;
  std::string value;
  bool is_number = false;
};

// What a field of several numbers holds: "8 32".
std::string ListOf(std::span<const int32_t> numbers);

// Whoever reads the lines may be slow, or stop: a pipe that is full, a terminal that is held. The
// event loop does not wait for that: what the reader does not take waits in memory, and beyond
// kMostWaiting lines are left out, of which a line says how many once there is room again.
class Logger {
 public:
  static constexpr size_t kMostWaiting = size_t{1} << 20;  // Bytes.
  static constexpr std::chrono::milliseconds kLastMoment{500};

  Logger(LogLevel least, bool json) : least_(least), json_(json) {}
  // What waits has half a second.
  ~Logger() { Flush(kLastMoment); }
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  bool Wants(LogLevel level) const { return level >= least_; }
  void Log(LogLevel level, std::string_view message, std::vector<LogField> fields = {});
  // Writes what waits, as far as it is taken within that time; to be called now and then, and
  // before the process ends.
  void Flush(std::chrono::milliseconds within = std::chrono::milliseconds(0));

 private:
  std::string Line(LogLevel level, std::string_view message,
                   const std::vector<LogField>& fields) const;
  // With the mutex held:
  void Write(std::chrono::milliseconds within);
  std::string_view waiting() const { return std::string_view(lines_).substr(written_); }
  void AddLeftOut();

  const LogLevel least_;
  const bool json_;
  std::mutex mutex_;    // Guards what follows.
  std::string lines_;   // That are not all written,
  size_t written_ = 0;  // and what is of them.
  int64_t left_out_ = 0;
};

}  // namespace akin::server
