#include "cli/text_table.h"

#include <algorithm>

#include "cli/strings.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

std::string Padded(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

}  // namespace

std::string TextTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = StrCat("  ", PadToWidth(row[0], widths[0]));
    for (size_t c = 1; c < row.size(); ++c) line += StrCat("  ", Padded(row[c], widths[c]));
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

}  // namespace akin::cli
