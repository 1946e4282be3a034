#include "cli/pull_progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "akin/system.h"

#include "cli/progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

constexpr int kBarWidth = 20;

std::string Bar(double share) {
  const int filled = static_cast<int>(share * kBarWidth);
  return StrCat('[', std::string(static_cast<size_t>(filled), '#'),
                std::string(static_cast<size_t>(kBarWidth - filled), '.'), ']');
}

std::string AskingLine(const PullProgress& progress) {
  if (progress.trouble.empty()) return "asking the hub";
  return StrCat("trying again in ", static_cast<int>(std::ceil(progress.retry_seconds)),
                " s: ", progress.trouble);
}

class PullDisplay {
 public:
  explicit PullDisplay(bool quiet) : line_(quiet), start_(Clock::now()) {}

  void Show(const PullProgress& progress) {
    if (progress.files == 0) return line_.Show(AskingLine(progress));
    if (!first_bytes_) {  // What an earlier run has left is no work of this one.
      first_bytes_ = progress.bytes_done;
      start_ = Clock::now();
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    line_.Show(PullLine(progress, progress.bytes_done - *first_bytes_, seconds));
  }
  void Erase() { line_.Erase(); }

 private:
  using Clock = std::chrono::steady_clock;
  StatusLine line_;
  Clock::time_point start_;
  std::optional<int64_t> first_bytes_;
};

}  // namespace

std::string BytesText(int64_t bytes) {
  const auto scaled = [&](double unit, std::string_view name) {
    return StrCat(Fixed(static_cast<double>(bytes) / unit, 1), ' ', name);
  };
  if (bytes < 1000) return StrCat(bytes, " B");
  if (bytes < 1'000'000) return scaled(1e3, "kB");
  if (bytes < 1'000'000'000) return scaled(1e6, "MB");
  return scaled(1e9, "GB");
}

std::string PullLine(const PullProgress& progress, int64_t received_bytes, double seconds) {
  const double share = progress.bytes > 0 ? std::clamp(static_cast<double>(progress.bytes_done) /
                                                           static_cast<double>(progress.bytes),
                                                       0.0, 1.0)
                                          : 1.0;
  const std::string files =
      StrCat("  ", progress.files_done, " of ", Counted(progress.files, "file"));
  const std::string amount =
      StrCat(Bar(share), "  ", static_cast<int>(share * 100), "%  ", BytesText(progress.bytes_done),
             " of ", BytesText(progress.bytes));
  if (progress.waiting) return StrCat(amount, files, "  waiting: another process fetches the rest");
  if (seconds <= 0 || received_bytes <= 0) return amount + files;
  const double rate = static_cast<double>(received_bytes) / seconds;
  const auto left = static_cast<double>(progress.bytes - progress.bytes_done);
  return StrCat(amount, "  ", BytesText(static_cast<int64_t>(rate)), "/s  ", ClockTime(left / rate),
                " left", files);
}

Result<PulledModel> PullShowingProgress(const std::string& model,
                                        const std::vector<std::string>& include, bool quiet) {
  PullDisplay display(quiet);
  const auto start = std::chrono::steady_clock::now();
  Result<PulledModel> pulled =
      PullModel(model, {.include = include, .on_progress = [&](const PullProgress& progress) {
                          display.Show(progress);
                          return true;
                        }});
  display.Erase();
  if (pulled && pulled->received_bytes > 0 && !quiet) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    SayOnStderr(StrCat("pulled ", model, ": ", Counted(pulled->files, "file"), ", ",
                       BytesText(pulled->received_bytes), " in ", Fixed(taken.count(), 1), " s"));
  }
  return pulled;
}

Status PullIfMissing(std::string_view model, bool quiet) {
  if (!IsPulledIfMissing(model)) return {};
  const Result<std::string> found = FindModel(model);
  if (found || found.error().code() != ErrorCode::kModelNotFound) return {};
  const Result<PulledModel> pulled = PullShowingProgress(std::string(model), {}, quiet);
  return pulled ? Status() : NotHereEither(model, pulled.error());
}

}  // namespace akin::cli
