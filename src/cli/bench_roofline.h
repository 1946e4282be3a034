// The breakdown as pictures: where the time goes, and the roofline (Williams, Waterman and
// Patterson, 2009) with a point for every stage that computes.
#pragma once

#include <string>

#include "cli/bench_report.h"

namespace akin::cli {

// Empty when no breakdown was measured.
std::string BreakdownHtml(const BenchReport& report);

}  // namespace akin::cli
