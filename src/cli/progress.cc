#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "cli/signals.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};

int64_t Rate(int64_t count, double seconds) {
  return seconds > 0 ? std::llround(static_cast<double>(count) / seconds) : 0;
}

void WriteToTerminal(std::string_view bytes) {
  // A terminal that has gone shows nothing; the work goes on.
  (void)WriteAll(STDERR_FILENO, "standard error", bytes).has_value();
}

}  // namespace

std::string ClockTime(double seconds) {
  const int64_t total = std::llround(std::clamp(seconds, 0.0, 359999.0));
  const auto two = [](int64_t n) { return StrCat(n < 10 ? "0" : "", n); };
  const std::string tail = two(total % 60);
  if (total < 3600) return StrCat(total / 60, ':', tail);
  return StrCat(total / 3600, ':', two(total / 60 % 60), ':', tail);
}

std::string ProgressLine(const ProgressState& state) {
  std::string line =
      StrCat(Counted(state.texts, "text"), "  ", Grouped(Rate(state.texts, state.seconds)),
             " texts/s  ", Grouped(Rate(state.tokens, state.seconds)), " tokens/s");
  if (!state.total_bytes || *state.total_bytes <= 0 || state.bytes <= 0) return line;
  const double done =
      std::min(1.0, static_cast<double>(state.bytes) / static_cast<double>(*state.total_bytes));
  return StrCat(line, "  ", static_cast<int>(done * 100), "%  ",
                ClockTime(state.seconds * (1 - done) / done), " left");
}

StatusLine::StatusLine(bool quiet) : enabled_(!quiet && IsTerminal(STDERR_FILENO)) {}

void StatusLine::Show(std::string_view text) {
  if (!enabled_) return;
  drawn_ = true;
  EraseLineOnSignal(true);
  WriteToTerminal(StrCat("\r", FitToWidth(text, TerminalWidth(STDERR_FILENO) - 1), "\x1b[K"));
}

void StatusLine::Erase() {
  if (!drawn_) return;
  drawn_ = false;
  WriteToTerminal("\r\x1b[K");
  EraseLineOnSignal(false);
}

Progress::Progress(bool quiet, std::optional<int64_t> total_bytes)
    : line_(quiet), start_(Clock::now()) {
  state_.total_bytes = total_bytes;
}

void Progress::Add(int64_t texts, int64_t tokens, int64_t bytes_consumed) {
  if (!line_.enabled()) return;
  const auto now = Clock::now();
  state_.texts += texts;
  state_.tokens += tokens;
  state_.bytes = bytes_consumed;
  state_.seconds = std::chrono::duration<double>(now - start_).count();
  if (drawn_ && now - *drawn_ < kRedraw) return;
  drawn_ = now;
  line_.Show(ProgressLine(state_));
}

void Progress::Erase() {
  drawn_.reset();
  line_.Erase();
}

}  // namespace akin::cli
