#include "cli/html_parts.h"

#include <cmath>

#include "cli/strings.h"

namespace akin::cli {

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string Color(size_t series) { return StrCat("var(--c", series % 6, ")"); }

std::string Short(double value) {
  return value >= 10 ? Grouped(std::llround(value)) : Fixed(value, value >= 1 ? 1 : 2);
}

std::string HtmlTable(const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<div class=\"scroll\"><table>";
  for (size_t r = 0; r < rows.size(); ++r) {
    const std::string_view tag = r == 0 ? "th" : "td";
    out += "<tr>";
    for (const std::string& cell : rows[r])
      out += StrCat('<', tag, '>', Escaped(cell), "</", tag, '>');
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

double LogAxis::At(double value) const {
  const double range = std::log(most / least);
  return begin + (end - begin) * (range > 0 ? std::log(value / least) / range : 0.5);
}

std::vector<double> Ticks(const LogAxis& axis) {
  std::vector<double> ticks;
  for (double decade = std::pow(10, std::floor(std::log10(axis.least)));
       decade <= axis.most && ticks.size() < 60; decade *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      const double tick = decade * step;
      if (tick >= axis.least * 0.999 && tick <= axis.most * 1.001) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string Line(double x1, double y1, double x2, double y2, std::string_view style) {
  return StrCat("<line x1=\"", Fixed(x1, 1), "\" y1=\"", Fixed(y1, 1), "\" x2=\"", Fixed(x2, 1),
                "\" y2=\"", Fixed(y2, 1), "\" ", style, "/>");
}

std::string Label(double x, double y, std::string_view anchor, std::string_view text) {
  return StrCat("<text x=\"", Fixed(x, 1), "\" y=\"", Fixed(y, 1), "\" text-anchor=\"", anchor,
                "\">", Escaped(text), "</text>");
}

std::string Bar(double x, double y, double width, double height, size_t series) {
  return StrCat("<rect x=\"", Fixed(x, 1), "\" y=\"", Fixed(y, 1), "\" width=\"", Fixed(width, 1),
                "\" height=\"", Fixed(height, 1), "\" fill=\"", Color(series), "\"/>");
}

std::string Dot(double x, double y, size_t series, std::string_view hint) {
  return StrCat("<circle cx=\"", Fixed(x, 1), "\" cy=\"", Fixed(y, 1), "\" r=\"3.5\" fill=\"",
                Color(series), "\"><title>", Escaped(hint), "</title></circle>");
}

}  // namespace akin::cli
