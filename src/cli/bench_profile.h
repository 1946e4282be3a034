// Where the time goes: stages and kernels of one setting beside what the machine does at most.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "akin/embedder.h"
#include "akin/profile.h"
#include "akin/result.h"

#include "cli/bench_measure.h"
#include "cli/bench_report.h"

namespace akin::cli {

// Fills in the breakdowns and the peaks of report.settings, one for each of `embedders`: of all
// `texts` in one call, and of single short texts.
Status MeasureBreakdowns(std::span<const Embedder> embedders, std::span<const std::string> texts,
                         const EmbedOptions& options, const Say& say, BenchReport& report);

// A stage or a kernel with everything that is said about it.
struct BreakdownRow {
  std::string name;
  double share = 0;                // Of all threads' time in the calls, 0 to 1.
  double us_per_call = 0;          // Of the threads together.
  double operations_a_second = 0;  // While it runs, of all threads. 0: does not count any.
  double share_of_peak = 0;        // Of the arithmetic that it runs in; 0: unknown.
  double bytes_a_second = 0;       // As above.
  double intensity = 0;            // Operations a byte.
  Precision arithmetic = Precision::kF32;
};

// By stage in the order of the way, tokenizing first and idle threads last.
std::vector<BreakdownRow> StageRows(const Breakdown& breakdown, const MachinePeak& peak);
// Stages whose work the same kernel does, together; the costliest first.
std::vector<BreakdownRow> KernelRows(const Breakdown& breakdown, const MachinePeak& peak);

// The operations a second of the machine in `precision`; 0: not measured.
double PeakOperations(const MachinePeak& peak, Precision precision);

std::string BreakdownText(const BenchReport& report);
std::string BreakdownsJson(const SettingReport& setting);
std::string PeakJson(const MachinePeak& peak);

}  // namespace akin::cli
