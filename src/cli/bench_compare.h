// `akin bench --compare OLD.json`: this run beside an older one.
#pragma once

#include <string>

#include "akin/result.h"

#include "cli/bench_report.h"

namespace akin::cli {

// Whether `path` is a report, which is better known before measuring than after it. Errors:
// kInputUnreadable, InvalidInput.
Status CheckOldReport(const std::string& path);

// Fills in the changes of all figures that both reports have. Errors: kInputUnreadable,
// InvalidInput (no report of `akin bench --json`, or none of its figures is here).
Status CompareWithReport(const std::string& path, BenchReport& report);

}  // namespace akin::cli
