// The line on a terminal that says how far a long run is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace akin::cli {

struct ProgressState {
  int64_t texts = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;  // Of the input, as far as it was computed.
  std::optional<int64_t> total_bytes = std::nullopt;
  double seconds = 0;
};

// "12,345 texts  2,469 texts/s  31,000 tokens/s  41%  0:07 left"; the last two only when the size
// of the input is known.
std::string ProgressLine(const ProgressState& state);

// 7 -> "0:07", 3723 -> "1:02:03".
std::string ClockTime(double seconds);

// One line on standard error that is drawn over, only if that is a terminal; erased at the end and
// when a signal ends the process.
class StatusLine {
 public:
  explicit StatusLine(bool quiet);
  ~StatusLine() { Erase(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  bool enabled() const { return enabled_; }
  void Show(std::string_view text);
  void Erase();

 private:
  const bool enabled_;
  bool drawn_ = false;
};

// Draws on standard error, ten times a second at most, and only if that is a terminal and `quiet`
// is false. The line is erased at the end.
class Progress {
 public:
  Progress(bool quiet, std::optional<int64_t> total_bytes);
  // Whether somebody sees it.
  bool enabled() const { return line_.enabled(); }
  void Add(int64_t texts, int64_t tokens, int64_t bytes_consumed);
  void Erase();

 private:
  using Clock = std::chrono::steady_clock;
  StatusLine line_;
  const Clock::time_point start_;
  std::optional<Clock::time_point> drawn_;
  ProgressState state_;
};

}  // namespace akin::cli
