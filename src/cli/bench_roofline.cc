#include "cli/bench_roofline.h"

#include <algorithm>
#include <cmath>

#include "cli/bench_profile.h"
#include "cli/html_parts.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

constexpr double kGiga = 1e9;
constexpr double kLeft = 64, kRight = 640, kTop = 20, kBottom = 320, kLegend = 664;

std::string Percent(double share) { return StrCat(Fixed(share * 100, 1), " %"); }

// "340 GFLOP/s, 71 % of the peak", as far as there is something to say.
std::string RateText(const BreakdownRow& row) {
  if (row.operations_a_second <= 0) return "";
  std::string text = StrCat(", ", Short(row.operations_a_second / kGiga), " GFLOP/s");
  if (row.share_of_peak > 0)
    text += StrCat(", ", Percent(row.share_of_peak), " of the ", PrecisionName(row.arithmetic),
                   " peak");
  return text;
}

// A bar for each stage, as long as its share of the time.
std::string StageBars(const Breakdown& breakdown, const MachinePeak& peak, size_t series) {
  const std::vector<BreakdownRow> rows = StageRows(breakdown, peak);
  double most = 0;
  for (const BreakdownRow& row : rows) most = std::max(most, row.share);
  const double scale = most > 0 ? 280 / most : 0;
  std::string out = StrCat("<svg viewBox=\"0 0 860 ", 22 * rows.size() + 8,
                           "\" role=\"img\" aria-label=\"share of the time by stage\">");
  for (size_t i = 0; i < rows.size(); ++i) {
    const BreakdownRow& row = rows[i];
    const double y = 22 * static_cast<double>(i) + 4;
    out += Label(170, y + 13, "end", row.name) + Bar(180, y, row.share * scale, 16, series);
    out += Label(188 + row.share * scale, y + 13, "start",
                 StrCat(Percent(row.share), ", ", Short(row.us_per_call), " us", RateText(row)));
  }
  return out + "</svg>\n";
}

// Axes that hold every point and every roof.
struct RooflineAxes {
  LogAxis x{0.25, 16, kLeft, kRight}, y{1e300, 0, kBottom, kTop};

  RooflineAxes(const std::vector<BreakdownRow>& rows, const MachinePeak& peak) {
    for (const BreakdownRow& row : rows) {
      x.most = std::max(x.most, row.intensity * 2);
      x.least = std::min(x.least, row.intensity / 2);
      y.least = std::min(y.least, row.operations_a_second / kGiga / 2);
    }
    for (const MachinePeak::Arithmetic& a : peak.arithmetic)
      y.most = std::max(y.most, a.operations_per_second / kGiga * 1.5);
    for (const BreakdownRow& row : rows)
      y.most = std::max(y.most, row.operations_a_second / kGiga * 1.5);
  }
};

std::string Grid(const RooflineAxes& axes) {
  std::string out;
  for (const double tick : Ticks(axes.y)) {
    out += Line(kLeft, axes.y.At(tick), kRight, axes.y.At(tick), "class=\"grid\"");
    out += Label(kLeft - 8, axes.y.At(tick) + 4, "end", Short(tick));
  }
  for (const double tick : Ticks(axes.x)) {
    const double decade = std::log10(tick);
    if (std::abs(decade - std::round(decade)) > 1e-9) continue;
    out += Line(axes.x.At(tick), kTop, axes.x.At(tick), kBottom, "class=\"grid\"");
    out += Label(axes.x.At(tick), kBottom + 18, "middle", Short(tick));
  }
  return out + Label((kLeft + kRight) / 2, kBottom + 36, "middle", "operations a byte") +
         Label(8, 12, "start", "GFLOP/s");
}

// Just above the beginning of a line, in its direction.
std::string LabelAlong(double x1, double y1, double x2, double y2, std::string_view text) {
  const double degrees = std::atan2(y2 - y1, x2 - x1) * 180 / 3.14159265358979;
  return StrCat("<text transform=\"translate(", Fixed(x1, 1), ' ', Fixed(y1, 1), ") rotate(",
                Fixed(degrees, 1), ")\" dx=\"8\" dy=\"-4\">", Escaped(text), "</text>");
}

// Slanted: what each level of the memory feeds. Level: what each arithmetic can do.
std::string Roofs(const RooflineAxes& axes, const MachinePeak& peak) {
  constexpr std::string_view kStyle = "stroke=\"var(--soft)\" stroke-width=\"1.2\"";
  constexpr std::string_view kDashed =
      "stroke=\"var(--soft)\" stroke-width=\"1.2\" stroke-dasharray=\"5 4\"";
  std::string out;
  for (const MachinePeak::Arithmetic& a : peak.arithmetic) {
    const double y = axes.y.At(a.operations_per_second / kGiga);
    out += Line(kLeft, y, kRight, y, kStyle);
    out += Label(kRight - 4, y - 5, "end",
                 StrCat(PrecisionName(a.precision), ' ', Short(a.operations_per_second / kGiga)));
  }
  for (const MachinePeak::ReadRate& r : peak.read_rates) {
    const double rate = r.bytes_per_second / kGiga;
    const double begin = std::max(axes.x.least, axes.y.least / rate);
    const double end = std::min(axes.x.most, axes.y.most / rate);
    if (begin >= end) continue;
    const double x1 = axes.x.At(begin), y1 = axes.y.At(rate * begin), x2 = axes.x.At(end),
                 y2 = axes.y.At(rate * end);
    out += Line(x1, y1, x2, y2, kDashed);
    out += LabelAlong(x1, y1, x2, y2, StrCat(r.level, ' ', Short(rate), " GB/s"));
  }
  return out;
}

std::vector<BreakdownRow> RowsThatCompute(const Breakdown& breakdown, const MachinePeak& peak) {
  std::vector<BreakdownRow> rows = StageRows(breakdown, peak);
  std::erase_if(rows, [](const BreakdownRow& row) {
    return row.operations_a_second <= 0 || row.intensity <= 0;
  });
  return rows;
}

std::string RooflinePlot(const SettingReport& setting) {
  std::vector<std::vector<BreakdownRow>> workloads;
  std::vector<BreakdownRow> all;
  for (const Breakdown& breakdown : setting.breakdowns) {
    workloads.push_back(RowsThatCompute(breakdown, setting.peak));
    all.insert(all.end(), workloads.back().begin(), workloads.back().end());
  }
  if (all.empty()) return "";  // A backend that knows no stages.
  const RooflineAxes axes(all, setting.peak);
  std::string out = StrCat("<svg viewBox=\"0 0 860 366\" role=\"img\" aria-label=\"roofline\">",
                           Grid(axes), Roofs(axes, setting.peak));
  double legend = 30;
  for (size_t w = 0; w < workloads.size(); ++w) {
    out += Bar(kLegend, legend - 6, 14, 4, w) +
           Label(kLegend + 22, legend, "start", setting.breakdowns[w].workload);
    for (const BreakdownRow& row : workloads[w]) {
      legend += 20;
      const std::string name = StrCat(row.name, ": ", Short(row.operations_a_second / kGiga));
      out += Label(kLegend + 22, legend, "start", name);
      out += Dot(axes.x.At(row.intensity), axes.y.At(row.operations_a_second / kGiga), w,
                 StrCat(setting.breakdowns[w].workload, ", ", row.name, RateText(row), ", ",
                        Fixed(row.intensity, 1), " operations a byte"));
    }
    legend += 28;
  }
  return out + "</svg>\n";
}

}  // namespace

std::string BreakdownHtml(const BenchReport& report) {
  std::string out;
  for (size_t s = 0; s < report.settings.size(); ++s) {
    const SettingReport& setting = report.settings[s];
    if (setting.breakdowns.empty()) continue;
    out += StrCat("<h2>Where the time goes: ", Escaped(setting.Name()), "</h2>\n");
    for (const Breakdown& breakdown : setting.breakdowns) {
      out += StrCat("<p>", Escaped(breakdown.workload), ": ",
                    Fixed(breakdown.profile.wall_ms / static_cast<double>(breakdown.calls), 3),
                    " ms a call; shares of the time of all threads.</p>\n",
                    StageBars(breakdown, setting.peak, s));
    }
    out += StrCat(
        "<p>Roofline: level lines are what this machine's registers were measured to do, "
        "dashed ones what its memory was measured to feed. A stage counts each weight "
        "and activation once.</p>\n",
        RooflinePlot(setting));
  }
  return out;
}

}  // namespace akin::cli
