// A table for the terminal.
#pragma once

#include <string>
#include <vector>

namespace akin::cli {

// Columns as wide as they need to be, aligned to the right but the first; two blanks in front.
// Every row has as many cells as the first one.
std::string TextTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace akin::cli
