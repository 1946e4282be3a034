// `akin bench --html FILE`: the report as one page without anything from elsewhere.
#pragma once

#include <string>

#include "cli/bench_report.h"

namespace akin::cli {

std::string ReportHtml(const BenchReport& report);

}  // namespace akin::cli
