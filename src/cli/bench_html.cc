// One self-contained page: tables, and two plots drawn as inline SVG. Colours follow the reader's
// light or dark mode.
#include "cli/bench_html.h"

#include <algorithm>
#include <cmath>

#include "cli/bench_roofline.h"
#include "cli/html_parts.h"
#include "cli/strings.h"
#include "cli/version.h"

namespace akin::cli {
namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5c6675; --line: #d9dee5; --back: #fff;
  --c0: #1b6ec2; --c1: #c2571b; --c2: #2c8a4b; --c3: #8a3fb0; --c4: #a8861a; --c5: #b0305c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #98a2b0; --line: #333b47;
  --back: #14181f; --c0: #6bb1f5; --c1: #f0935c; --c2: #6fce8f; --c3: #c690e8; --c4: #dfc25e;
  --c5: #ee7fa4; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; } p, caption { color: var(--soft); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } .facts td { text-align: left; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 13px; }
.grid { stroke: var(--line); } .curve { fill: none; stroke-width: 2.5; }
.faster { color: var(--c2); } .slower { color: var(--c1); }
)css";

using Rows = std::vector<std::vector<std::string>>;

std::string Swatch(double x, double y, size_t series) { return Bar(x, y, 14, 4, series); }

// The axes that hold every point from P50 to P99, where there is one, of all settings.
struct LatencyAxes {
  LogAxis x{1e300, 0, 64, 640}, y{1e300, 0, 300, 20};

  explicit LatencyAxes(const BenchReport& report) {
    for (const SettingReport& s : report.settings) {
      for (const LengthLatency& l : s.latencies) {
        x.least = std::min(x.least, static_cast<double>(l.tokens));
        x.most = std::max(x.most, static_cast<double>(l.tokens));
        y.least = std::min(y.least, l.p50_ms.median);
        y.most = std::max(y.most, l.p99_ms.value_or(l.p50_ms.median));
      }
    }
    y.least /= 1.25;
    y.most *= 1.25;
  }
};

// One curve: P50 as a line, up to P99 as a thin line at each point.
std::string LatencyCurve(const SettingReport& setting, size_t series, const LatencyAxes& axes) {
  std::string points, out;
  const std::string stroke = StrCat("stroke=\"", Color(series), "\"");
  for (const LengthLatency& l : setting.latencies) {
    const double px = axes.x.At(l.tokens), py = axes.y.At(l.p50_ms.median);
    points += StrCat(Fixed(px, 1), ',', Fixed(py, 1), ' ');
    std::string hint =
        StrCat(setting.Name(), ": ", l.tokens, " tokens, P50 ", Fixed(l.p50_ms.median, 3), " ms");
    if (l.p99_ms) {
      out += Line(px, py, px, axes.y.At(*l.p99_ms), stroke);
      hint += StrCat(", P99 ", Fixed(*l.p99_ms, 3), " ms");
    }
    out += Dot(px, py, series, hint);
  }
  return StrCat("<polyline class=\"curve\" ", stroke, " points=\"", points, "\"/>", out);
}

std::string LatencyPlot(const BenchReport& report) {
  const LatencyAxes axes(report);
  std::string out = "<svg viewBox=\"0 0 860 350\" role=\"img\" aria-label=\"latency by length\">";
  for (const double tick : Ticks(axes.y)) {
    out += Line(64, axes.y.At(tick), 640, axes.y.At(tick), "class=\"grid\"");
    out += Label(56, axes.y.At(tick) + 4, "end", Short(tick));
  }
  for (const LengthLatency& l : report.settings.front().latencies)
    out += Label(axes.x.At(l.tokens), 320, "middle", StrCat(l.tokens));
  out += Label(352, 342, "middle", "tokens of the text") + Label(8, 12, "start", "ms");
  for (size_t s = 0; s < report.settings.size(); ++s) {
    out += LatencyCurve(report.settings[s], s, axes);
    const double y = 30 + 20 * static_cast<double>(s);
    out += Swatch(664, y - 6, s) + Label(686, y, "start", report.settings[s].Name());
  }
  return out + "</svg>\n";
}

std::string ThroughputPlot(const BenchReport& report) {
  double most = 0;
  for (const SettingReport& s : report.settings)
    most = std::max(most, s.throughput.texts_per_second.most);
  const double height = 28 * static_cast<double>(report.settings.size()) + 8;
  std::string out = StrCat("<svg viewBox=\"0 0 860 ", Fixed(height, 0),
                           "\" role=\"img\" aria-label=\"texts a second\">");
  for (size_t i = 0; i < report.settings.size(); ++i) {
    const SettingReport& s = report.settings[i];
    const Spread& rate = s.throughput.texts_per_second;
    const double y = 28 * static_cast<double>(i) + 4, scale = 480 / most;
    out += Label(140, y + 15, "end", s.Name());
    out += Bar(150, y, rate.median * scale, 20, i);
    out += Line(150 + rate.least * scale, y + 10, 150 + rate.most * scale, y + 10,
                "stroke=\"var(--ink)\" stroke-width=\"1.5\"");
    out += Label(158 + rate.most * scale, y + 15, "start", StrCat(Short(rate.median), " texts/s"));
  }
  return out + "</svg>\n";
}

std::string Latencies(const BenchReport& report) {
  if (report.settings.front().latencies.empty()) return "";
  Rows rows = {{"", "tokens", "P50 ms", "P95 ms", "P99 ms", "calls"}};
  for (const SettingReport& s : report.settings) {
    for (const LengthLatency& l : s.latencies) {
      rows.push_back({s.Name(), StrCat(l.tokens), Fixed(l.p50_ms.median, 3), FixedOrDash(l.p95_ms),
                      FixedOrDash(l.p99_ms), Grouped(l.calls)});
    }
  }
  return StrCat(
      "<h2>One text</h2>\n<p>Points are P50; the thin lines reach to P99, which takes 100 "
      "calls of a length (P95 takes 20).</p>\n",
      LatencyPlot(report), "<details><summary>Figures</summary>", HtmlTable(rows), "</details>\n");
}

std::string Throughputs(const BenchReport& report) {
  if (report.rounds == 0) return "";  // Only the quality was asked for.
  Rows rows = {{"", "texts/s", "least", "most", "tokens/s", "GFLOP/s", "tokenizing"}};
  for (const SettingReport& s : report.settings) {
    const Throughput& t = s.throughput;
    rows.push_back({s.Name(), Short(t.texts_per_second.median), Short(t.texts_per_second.least),
                    Short(t.texts_per_second.most), Short(t.tokens_per_second), Short(t.gflops),
                    StrCat(Fixed(t.tokenize_share * 100, 1), " %")});
  }
  return StrCat("<h2>Many texts</h2>\n<p>", Counted(report.texts, "text"), ", ",
                Counted(report.tokens, "token"), " (", Escaped(report.corpus), "); median of ",
                Counted(report.rounds, "round"), ", the line across a bar is least to most.</p>\n",
                ThroughputPlot(report), HtmlTable(rows));
}

std::string Qualities(const BenchReport& report) {
  Rows rows = {{"", "least cosine", "mean cosine", "same nearest 10", "texts"}};
  for (const SettingReport& s : report.settings) {
    if (!s.quality) continue;
    rows.push_back({s.Name(), Fixed(s.quality->least_cosine, 7), Fixed(s.quality->mean_cosine, 7),
                    StrCat(Fixed(s.quality->recall_at_10 * 100, 2), " %"),
                    Grouped(s.quality->texts)});
  }
  return rows.size() > 1 ? StrCat("<h2>Nearness to f32</h2>\n", HtmlTable(rows)) : "";
}

std::string Retrieval(const BenchReport& report) {
  Rows rows = {{"", "recall@1", "recall@10", "nDCG@10", "MRR@10", "queries", "documents"}};
  for (const SettingReport& s : report.settings) {
    if (!s.retrieval) continue;
    rows.push_back({s.Name(), Fixed(s.retrieval->recall_at_1, 4),
                    Fixed(s.retrieval->recall_at_10, 4), Fixed(s.retrieval->ndcg_at_10, 5),
                    Fixed(s.retrieval->mrr_at_10, 5), Grouped(s.retrieval->queries),
                    Grouped(s.retrieval->documents)});
  }
  return rows.size() > 1 ? StrCat("<h2>Retrieval</h2>\n", HtmlTable(rows)) : "";
}

std::string Changes(const BenchReport& report) {
  if (report.compared_with.empty()) return "";
  std::string out =
      StrCat("<h2>Beside ", Escaped(report.compared_with),
             "</h2>\n<div class=\"scroll\"><table><tr><th></th><th>before</th><th>now</th>"
             "<th></th><th>speed</th><th></th></tr>\n");
  for (const BenchChange& c : report.changes) {
    out +=
        StrCat("<tr class=\"", c.beyond_noise ? VerdictOf(c) : "", "\"><td>", Escaped(c.what),
               "</td><td>", Fixed(c.before, 3), "</td><td>", Fixed(c.after, 3), "</td><td>", c.unit,
               "</td><td>", Fixed(c.speedup, 2), " x</td><td>", VerdictOf(c), "</td></tr>\n");
  }
  out += "</table></div>\n";
  for (const std::string& note : report.compare_notes)
    out += StrCat("<p>Note: ", Escaped(note), ".</p>\n");
  return out;
}

std::string Facts(const BenchReport& report) {
  const MachineFacts& m = report.machine;
  std::string caches;
  for (const std::string& cache : m.caches) caches += StrCat(caches.empty() ? "" : ", ", cache);
  std::string out = "<table class=\"facts\">";
  const auto row = [&out](std::string_view name, const std::string& value) {
    if (!value.empty())
      out += StrCat("<tr><td>", name, "</td><td>", Escaped(value), "</td></tr>\n");
  };
  row("CPU", StrCat(m.cpu, ", ", report.model.isa));
  row("threads", StrCat(m.threads, ", from ", m.threads_source));
  row("caches", caches);
  row("memory", m.memory_bytes > 0 ? StrCat(Grouped(m.memory_bytes >> 20), " MiB; used at most ",
                                            Grouped(report.peak_memory_bytes >> 20))
                                   : "");
  row("kernel", m.kernel);
  row("program", VersionText());
  row("checked", StrCat(Counted(static_cast<int64_t>(report.checked_texts), "text"),
                        " before timing; load ", Fixed(report.model.load_ms, 1),
                        " ms, first vector after ", Fixed(report.first_vector_ms, 1), " ms"));
  for (const std::string& reason : report.left_out) row("left out", reason);
  return out + "</table>\n";
}

}  // namespace

std::string ReportHtml(const BenchReport& report) {
  const std::string title = StrCat("akin bench: ", Escaped(report.model.model));
  return StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      title, "</title>\n<style>", kStyle, "</style></head>\n<body>\n<h1>", title, "</h1>\n<p>",
      report.date, "</p>\n", Facts(report), Latencies(report), Throughputs(report),
      Qualities(report), Retrieval(report), BreakdownHtml(report), Changes(report),
      "</body></html>\n");
}

}  // namespace akin::cli
