#include "cli/bench_profile.h"

#include <algorithm>
#include <cmath>

#include "akin/system.h"

#include "cli/bench_texts.h"
#include "cli/json_writer.h"
#include "cli/strings.h"
#include "cli/text_table.h"

namespace akin::cli {
namespace {

// A short text is embedded this often, for figures above the clock's own cost.
constexpr int kShortCalls = 200;
constexpr int kWarmupCalls = 20;
constexpr size_t kShortTexts = 16;
constexpr double kGiga = 1e9, kMilli = 1e-3;

void Add(const StageProfile& more, Breakdown& sum) {
  ++sum.calls;
  sum.profile.num_threads = more.num_threads;
  sum.profile.wall_ms += more.wall_ms;
  sum.profile.tokenize_ms += more.tokenize_ms;
  for (const StageTime& stage : more.stages) {
    auto found = std::ranges::find(sum.profile.stages, stage.stage, &StageTime::stage);
    if (found == sum.profile.stages.end()) {
      sum.profile.stages.push_back(stage);
      continue;
    }
    found->calls += stage.calls;
    found->thread_ms += stage.thread_ms;
    found->operations += stage.operations;
    found->bytes += stage.bytes;
  }
}

Result<Breakdown> OfAllTexts(const Embedder& embedder, std::span<const std::string> texts,
                             const EmbedOptions& options) {
  Breakdown breakdown{.workload = "all texts in one call"};
  AKIN_TRY_ASSIGN(const StageProfile profile, ProfileStages(embedder, texts, options));
  Add(profile, breakdown);
  return breakdown;
}

Result<Breakdown> OfShortTexts(const Embedder& embedder, const EmbedOptions& options) {
  std::vector<std::string> texts;
  for (const std::string_view text : BuiltInTexts().first(kShortTexts)) texts.emplace_back(text);
  Breakdown breakdown{.workload = "single sentences"};
  for (int call = -kWarmupCalls; call < kShortCalls; ++call) {
    const size_t at = static_cast<size_t>(call + kWarmupCalls) % texts.size();
    AKIN_TRY_ASSIGN(const StageProfile profile,
                    ProfileStages(embedder, std::span(texts).subspan(at, 1), options));
    if (call >= 0) Add(profile, breakdown);
  }
  return breakdown;
}

// The part of all threads' time that `thread_ms` is.
double ShareOf(const Breakdown& breakdown, double thread_ms) {
  const double all = breakdown.profile.wall_ms * breakdown.profile.num_threads;
  return all > 0 ? thread_ms / all : 0;
}

BreakdownRow RowOf(const Breakdown& breakdown, const MachinePeak& peak, std::string name,
                   const StageTime& time) {
  const double threads = breakdown.profile.num_threads;
  // What one thread did in a second of its own, times the threads.
  const double seconds = time.thread_ms * kMilli / threads;
  BreakdownRow row{.name = std::move(name),
                   .share = ShareOf(breakdown, time.thread_ms),
                   .us_per_call = time.thread_ms / kMilli / static_cast<double>(breakdown.calls),
                   .arithmetic = time.arithmetic};
  if (seconds <= 0) return row;
  row.operations_a_second = time.operations / seconds;
  row.bytes_a_second = time.bytes / seconds;
  if (time.bytes > 0) row.intensity = time.operations / time.bytes;
  const double most = PeakOperations(peak, time.arithmetic);
  if (most > 0) row.share_of_peak = row.operations_a_second / most;
  return row;
}

std::string Percent(double share) { return StrCat(Fixed(share * 100, 1), " %"); }

std::string Microseconds(double us) { return us < 1000 ? Fixed(us, 1) : Grouped(std::llround(us)); }

std::string OrBlank(double value, int digits) { return value > 0 ? Fixed(value, digits) : ""; }

void AddRows(const std::vector<BreakdownRow>& rows, std::vector<std::vector<std::string>>& table) {
  for (const BreakdownRow& row : rows) {
    const bool counts = row.operations_a_second > 0;
    table.push_back({row.name, Percent(row.share), Microseconds(row.us_per_call),
                     OrBlank(row.operations_a_second / kGiga, 1),
                     counts && row.share_of_peak > 0 ? Percent(row.share_of_peak) : "",
                     counts ? std::string(PrecisionName(row.arithmetic)) : "",
                     OrBlank(row.bytes_a_second / kGiga, 1), OrBlank(row.intensity, 1)});
  }
}

std::string PeakLine(const MachinePeak& peak) {
  std::string line = StrCat(Counted(peak.num_threads, "thread"), ": ");
  for (const MachinePeak::Arithmetic& a : peak.arithmetic)
    line += StrCat(PrecisionName(a.precision), ' ', Fixed(a.operations_per_second / kGiga, 0),
                   " GFLOP/s, ");
  line += "reads";
  for (const MachinePeak::ReadRate& r : peak.read_rates)
    line += StrCat(' ', r.level, ' ', Fixed(r.bytes_per_second / kGiga, 0));
  return line + " GB/s";
}

std::string RowsJson(const std::vector<BreakdownRow>& rows) {
  std::vector<std::string> out;
  for (const BreakdownRow& row : rows) {
    out.push_back(JsonObject()
                      .Add("name", row.name)
                      .Add("share", row.share)
                      .Add("us_per_call", row.us_per_call)
                      .Add("operations_per_second", row.operations_a_second)
                      .Add("share_of_peak", row.share_of_peak)
                      .Add("arithmetic", PrecisionName(row.arithmetic))
                      .Add("bytes_per_second", row.bytes_a_second)
                      .Add("operations_per_byte", row.intensity)
                      .str());
  }
  return JsonArray(out);
}

}  // namespace

Status MeasureBreakdowns(std::span<const Embedder> embedders, std::span<const std::string> texts,
                         const EmbedOptions& options, const Say& say, BenchReport& report) {
  for (size_t s = 0; s < embedders.size(); ++s) {
    SettingReport& setting = report.settings[s];
    say(StrCat("where the time goes: ", setting.Name()));
    const ModelInfo& info = embedders[s].Info();
    // A backend that is not Akin's names a device or an execution provider instead of a tier.
    const Result<Isa> own = ParseIsa(info.isa);
    const Isa isa = own ? *own : DescribeSystem().chosen_isa;
    AKIN_TRY_ASSIGN(setting.peak, MeasureMachinePeak(isa, info.num_threads));
    AKIN_TRY_ASSIGN(Breakdown all, OfAllTexts(embedders[s], texts, options));
    AKIN_TRY_ASSIGN(Breakdown single, OfShortTexts(embedders[s], options));
    setting.breakdowns = {std::move(all), std::move(single)};
  }
  return {};
}

double PeakOperations(const MachinePeak& peak, Precision precision) {
  // Weights of w8 are widened to bf16; bf16x3 is three products for one.
  const Precision arithmetic =
      precision == Precision::kW8 || precision == Precision::kBf16x3 ? Precision::kBf16 : precision;
  const auto found =
      std::ranges::find(peak.arithmetic, arithmetic, &MachinePeak::Arithmetic::precision);
  if (found == peak.arithmetic.end()) return 0;
  return found->operations_per_second / (precision == Precision::kBf16x3 ? 3 : 1);
}

std::vector<BreakdownRow> StageRows(const Breakdown& breakdown, const MachinePeak& peak) {
  const StageProfile& profile = breakdown.profile;
  // While one thread tokenizes or hands over, the others have nothing to do: their time is idle.
  const StageTime tokenize{.thread_ms = profile.tokenize_ms * profile.num_threads};
  std::vector<BreakdownRow> rows = {RowOf(breakdown, peak, "tokenizing", tokenize)};
  double known = tokenize.thread_ms;
  for (const StageTime& stage : profile.stages) {
    rows.push_back(RowOf(breakdown, peak, stage.stage, stage));
    known += stage.thread_ms;
  }
  const StageTime rest{.thread_ms = std::max(0.0, profile.wall_ms * profile.num_threads - known)};
  rows.push_back(RowOf(breakdown, peak, "hand-over, idle threads", rest));
  return rows;
}

std::vector<BreakdownRow> KernelRows(const Breakdown& breakdown, const MachinePeak& peak) {
  std::vector<StageTime> kernels;
  for (const StageTime& stage : breakdown.profile.stages) {
    if (stage.kernel.empty()) continue;
    auto found = std::ranges::find(kernels, stage.kernel, &StageTime::kernel);
    if (found == kernels.end()) {
      kernels.push_back(stage);
      continue;
    }
    found->thread_ms += stage.thread_ms;
    found->operations += stage.operations;
    found->bytes += stage.bytes;
  }
  std::ranges::sort(kernels, std::ranges::greater(), &StageTime::thread_ms);
  std::vector<BreakdownRow> rows;
  for (const StageTime& kernel : kernels)
    rows.push_back(RowOf(breakdown, peak, kernel.kernel, kernel));
  return rows;
}

std::string BreakdownText(const BenchReport& report) {
  std::string out;
  for (const SettingReport& setting : report.settings) {
    for (const Breakdown& breakdown : setting.breakdowns) {
      std::vector<std::vector<std::string>> table = {
          {"stage", "share", "us a call", "GFLOP/s", "of peak", "in", "GB/s", "FLOP/byte"}};
      AddRows(StageRows(breakdown, setting.peak), table);
      table.push_back({"kernel", "", "", "", "", "", "", ""});
      AddRows(KernelRows(breakdown, setting.peak), table);
      out += StrCat("where the time goes: ", setting.Name(), ", ", breakdown.workload, '\n',
                    TextTable(table));
    }
    if (!setting.breakdowns.empty()) out += StrCat("  peak on ", PeakLine(setting.peak), '\n');
  }
  return out;
}

std::string BreakdownsJson(const SettingReport& setting) {
  std::vector<std::string> out;
  for (const Breakdown& breakdown : setting.breakdowns) {
    out.push_back(JsonObject()
                      .Add("workload", breakdown.workload)
                      .Add("calls", breakdown.calls)
                      .Add("wall_ms", breakdown.profile.wall_ms)
                      .AddRaw("stages", RowsJson(StageRows(breakdown, setting.peak)))
                      .AddRaw("kernels", RowsJson(KernelRows(breakdown, setting.peak)))
                      .str());
  }
  return JsonArray(out);
}

std::string PeakJson(const MachinePeak& peak) {
  JsonObject operations, rates;
  for (const MachinePeak::Arithmetic& a : peak.arithmetic)
    operations.Add(PrecisionName(a.precision), a.operations_per_second);
  for (const MachinePeak::ReadRate& r : peak.read_rates) rates.Add(r.level, r.bytes_per_second);
  return JsonObject()
      .Add("isa", IsaName(peak.isa))
      .Add("threads", peak.num_threads)
      .AddRaw("operations_per_second", operations.str())
      .AddRaw("read_bytes_per_second", rates.str())
      .str();
}

}  // namespace akin::cli
