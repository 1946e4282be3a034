#include "cli/bench_report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cmath>

#include "akin/system.h"

#include "cli/bench_profile.h"
#include "cli/bench_retrieval.h"
#include "cli/json_writer.h"
#include "cli/strings.h"
#include "cli/text_table.h"
#include "cli/utf8.h"
#include "cli/version.h"

namespace akin::cli {
namespace {

// "L1d 48K", "L2 1024K", "L3 32768K"
std::vector<std::string> CacheNames(const SystemInfo& system) {
  std::vector<std::string> names;
  for (const DataCache& cache : system.caches)
    names.push_back(StrCat(cache.name, ' ', cache.bytes >> 10, 'K'));
  return names;
}

std::string LatencyTable(const SettingReport& setting) {
  std::vector<std::vector<std::string>> rows = {{"tokens", "P50 ms", "P95", "P99", "calls"}};
  for (const LengthLatency& l : setting.latencies) {
    rows.push_back({StrCat(l.tokens), Fixed(l.p50_ms.median, 3), FixedOrDash(l.p95_ms),
                    FixedOrDash(l.p99_ms), StrCat(l.calls)});
  }
  const bool lacks = std::ranges::any_of(setting.latencies, [](auto& l) { return !l.p99_ms; });
  return StrCat(TextTable(rows),
                lacks ? "  -: of too few calls; P95 takes 20, P99 100 (--queries, --full)\n" : "");
}

std::string ThroughputTable(const BenchReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"", "texts/s", "[least..most]", "tokens/s", "GFLOP/s", "tokenizing"}};
  for (const SettingReport& s : report.settings) {
    const Spread& rate = s.throughput.texts_per_second;
    rows.push_back({s.Name(), Grouped(std::llround(rate.median)),
                    StrCat('[', Grouped(std::llround(rate.least)), "..",
                           Grouped(std::llround(rate.most)), ']'),
                    Grouped(std::llround(s.throughput.tokens_per_second)),
                    Fixed(s.throughput.gflops, 0),
                    StrCat(Fixed(s.throughput.tokenize_share * 100, 1), " %")});
  }
  return TextTable(rows);
}

std::string QualityTable(const BenchReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"", "least cosine", "mean cosine", "same nearest 10", "texts"}};
  for (const SettingReport& s : report.settings) {
    if (!s.quality) continue;
    rows.push_back({s.Name(), Fixed(s.quality->least_cosine, 7), Fixed(s.quality->mean_cosine, 7),
                    StrCat(Fixed(s.quality->recall_at_10 * 100, 2), " %"),
                    StrCat(s.quality->texts)});
  }
  return rows.size() > 1 ? StrCat("nearness to f32\n", TextTable(rows)) : "";
}

std::string ChangesTable(const BenchReport& report) {
  if (report.compared_with.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"", "before", "now", "", "speed", ""}};
  for (const BenchChange& c : report.changes) {
    rows.push_back({c.what, Fixed(c.before, 3), Fixed(c.after, 3), c.unit,
                    StrCat(Fixed(c.speedup, 2), " x"), std::string(VerdictOf(c))});
  }
  std::string out = StrCat("beside ", report.compared_with, '\n', TextTable(rows));
  for (const std::string& note : report.compare_notes) out += StrCat("  note: ", note, '\n');
  return out;
}

std::string ChangesJson(const BenchReport& report) {
  std::vector<std::string> changes;
  for (const BenchChange& c : report.changes) {
    changes.push_back(JsonObject()
                          .Add("what", c.what)
                          .Add("unit", c.unit)
                          .Add("before", c.before)
                          .Add("after", c.after)
                          .Add("speedup", c.speedup)
                          .Add("beyond_noise", c.beyond_noise)
                          .str());
  }
  return JsonArray(changes);
}

std::string Joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += StrCat(out.empty() ? "" : ", ", word);
  return out;
}

std::string SpreadJson(const Spread& spread) {
  return JsonObject()
      .Add("median", spread.median)
      .Add("least", spread.least)
      .Add("most", spread.most)
      .str();
}

std::string NumberOrNull(std::optional<double> value) {
  std::string out;
  if (value) AppendJsonDouble(out, *value);
  return value ? out : "null";
}

std::string SettingJson(const SettingReport& setting) {
  std::vector<std::string> latencies;
  for (const LengthLatency& l : setting.latencies) {
    latencies.push_back(JsonObject()
                            .Add("tokens", l.tokens)
                            .Add("calls", l.calls)
                            .AddRaw("p50_ms", SpreadJson(l.p50_ms))
                            .AddRaw("p95_ms", NumberOrNull(l.p95_ms))
                            .AddRaw("p99_ms", NumberOrNull(l.p99_ms))
                            .str());
  }
  JsonObject out;
  out.Add("precision", setting.precision)
      .Add("isa", setting.isa)
      .Add("threads", setting.threads)
      .Add("batch_tokens", setting.batch_tokens)
      .Add("load_ms", setting.load_ms)
      .AddRaw("latency", JsonArray(latencies));
  if (setting.throughput.tokens_per_second > 0) {  // Times were measured.
    out.AddRaw("texts_per_second", SpreadJson(setting.throughput.texts_per_second))
        .Add("tokens_per_second", setting.throughput.tokens_per_second)
        .Add("tokenize_share", setting.throughput.tokenize_share)
        .Add("gflops", setting.throughput.gflops);
  }
  if (setting.quality) {
    out.AddRaw("quality", JsonObject()
                              .Add("least_cosine", setting.quality->least_cosine)
                              .Add("mean_cosine", setting.quality->mean_cosine)
                              .Add("recall_at_10", setting.quality->recall_at_10)
                              .Add("texts", setting.quality->texts)
                              .str());
  }
  if (setting.retrieval) out.AddRaw("retrieval", RetrievalJson(*setting.retrieval));
  if (!setting.breakdowns.empty()) {
    out.AddRaw("machine_peak", PeakJson(setting.peak))
        .AddRaw("breakdowns", BreakdownsJson(setting));
  }
  return out.str();
}

std::string MachineJson(const MachineFacts& machine) {
  return JsonObject()
      .Add("cpu", machine.cpu)
      .AddRaw("caches", JsonStrings(machine.caches))
      .Add("threads", machine.threads)
      .Add("threads_source", machine.threads_source)
      .Add("memory_bytes", machine.memory_bytes)
      .Add("kernel", machine.kernel)
      .str();
}

std::string LoadLine(const BenchReport& report) {
  return StrCat(Fixed(report.model.load_ms, 1), " ms; first vector after ",
                Fixed(report.first_vector_ms, 1), " ms",
                report.cold_ms
                    ? StrCat(", ", Fixed(*report.cold_ms, 0), " ms from process start (to 10 ms)")
                    : "");
}

}  // namespace

double ValueAtPercent(std::vector<double> values, int percent) {
  std::ranges::sort(values);
  const size_t rank = (static_cast<size_t>(percent) * values.size() + 99) / 100;
  return values[std::max<size_t>(rank, 1) - 1];
}

std::optional<double> Percentile(std::vector<double> values, int percent) {
  if (std::ssize(values) * (100 - percent) < 100) return std::nullopt;
  return ValueAtPercent(std::move(values), percent);
}

std::string FixedOrDash(std::optional<double> ms) { return ms ? Fixed(*ms, 3) : "-"; }

Spread SpreadOf(std::vector<double> rounds) {
  const auto [least, most] = std::ranges::minmax(rounds);
  return {ValueAtPercent(std::move(rounds), 50), least, most};
}

std::string_view VerdictOf(const BenchChange& change) {
  if (!change.beyond_noise) return "within the noise";
  return change.speedup > 1 ? "faster" : "slower";
}

std::string SettingReport::Name() const {
  return StrCat(precision, ", ", Counted(threads, "thread"));
}

MachineFacts DescribeMachine() {
  const SystemInfo system = DescribeSystem();
  utsname name = {};
  const std::string kernel =
      uname(&name) == 0 ? StrCat(name.sysname, ' ', name.release) : std::string();
  return {.cpu = system.cpu,
          .kernel = kernel,
          .threads_source = system.threads.source,
          .caches = CacheNames(system),
          .threads = system.threads.count,
          .memory_bytes = system.memory_limit_bytes};
}

std::string ReportText(const BenchReport& report) {
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& value) {
    out += StrCat(PadToWidth(name, 10), value, '\n');
  };
  const MachineFacts& machine = report.machine;
  const ModelInfo& model = report.model;
  line("machine", StrCat(machine.cpu, ", ", model.isa, ", ", Counted(machine.threads, "thread"),
                         machine.caches.empty() ? "" : ", ", Joined(machine.caches)));
  if (machine.memory_bytes > 0) {
    line("", StrCat(Grouped(machine.memory_bytes >> 20), " MiB, ", machine.kernel));
  }
  line("program", VersionText());
  line("model", StrCat(model.model, ", ", model.backend, ", ", model.precision));
  line("checked", StrCat(Counted(static_cast<int64_t>(report.checked_texts), "text"), ": finite, ",
                         model.normalize ? "length 1, " : "",
                         model.batch_invariant ? "same bits alone and in a batch" : "right"));
  line("load", LoadLine(report));
  for (const SettingReport& setting : report.settings) {
    if (setting.latencies.empty()) continue;
    out += StrCat("one text: ", setting.Name(), '\n', LatencyTable(setting));
  }
  if (report.rounds > 0)
    out += StrCat("many texts: ", Counted(report.texts, "text"), ", ",
                  Counted(report.tokens, "token"), " (", report.corpus, "), median of ",
                  Counted(report.rounds, "round"), '\n', ThroughputTable(report));
  out += StrCat(QualityTable(report), RetrievalTable(report), BreakdownText(report),
                ChangesTable(report));
  if (report.truncated_texts > 0) line("cut", Counted(report.truncated_texts, "text"));
  for (const std::string& reason : report.left_out) line("left out", reason);
  line("memory", StrCat(Grouped(report.peak_memory_bytes >> 20), " MiB at most"));
  return out;
}

std::string ReportJson(const BenchReport& report) {
  std::vector<std::string> settings;
  for (const SettingReport& setting : report.settings) settings.push_back(SettingJson(setting));
  JsonObject out;
  out.Add("akin_bench", kBenchFormat)
      .Add("date", report.date)
      .Add("version", Version())
      .Add("revision", Revision())
      .Add("compiler", DescribeSystem().compiler)
      .AddRaw("machine", MachineJson(report.machine))
      .Add("model", report.model.model)
      .Add("backend", report.model.backend)
      .Add("corpus", report.corpus)
      .Add("texts", report.texts)
      .Add("tokens", report.tokens)
      .Add("truncated_texts", report.truncated_texts)
      .Add("rounds", report.rounds)
      .Add("checked_texts", static_cast<int64_t>(report.checked_texts))
      .Add("worst_length_error", report.worst_length_error)
      .Add("first_vector_ms", report.first_vector_ms);
  if (report.cold_ms) out.Add("process_start_to_first_vector_ms", *report.cold_ms);
  if (!report.compared_with.empty()) {
    out.Add("compared_with", report.compared_with)
        .AddRaw("changes", ChangesJson(report))
        .AddRaw("compare_notes", JsonStrings(report.compare_notes));
  }
  return out.Add("peak_memory_bytes", report.peak_memory_bytes)
             .AddRaw("settings", JsonArray(settings))
             .AddRaw("left_out", JsonStrings(report.left_out))
             .str() +
         '\n';
}

}  // namespace akin::cli
