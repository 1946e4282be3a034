// Pieces of a page that needs nothing from elsewhere: text, tables and plots as inline SVG, in the
// page's own colours (--c0 to --c5, --ink, --line).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace akin::cli {

std::string Escaped(std::string_view text);

// The colour of a series, as CSS has it.
std::string Color(size_t series);

// 0.314 -> "0.31", 31.4 -> "31", 31400 -> "31,400".
std::string Short(double value);

// The first row is the heading; cells are text.
std::string HtmlTable(const std::vector<std::vector<std::string>>& rows);

// A logarithmic axis from `least` to `most` on the pixels [begin, end].
struct LogAxis {
  double least, most, begin, end;
  double At(double value) const;
};

// 1, 2 and 5 times the powers of ten within the axis.
std::vector<double> Ticks(const LogAxis& axis);

// `style` are attributes.
std::string Line(double x1, double y1, double x2, double y2, std::string_view style);
std::string Label(double x, double y, std::string_view anchor, std::string_view text);
std::string Bar(double x, double y, double width, double height, size_t series);
// A point that says `hint` under the mouse.
std::string Dot(double x, double y, size_t series, std::string_view hint);

}  // namespace akin::cli
