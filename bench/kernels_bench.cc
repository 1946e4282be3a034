// Times the hot kernels of the best tier here (AKIN_ISA names another) in every precision, on one
// thread, each after its result was compared with the scalar table.
//
// GFLOP/s counts the operations of the exact shape; "peak" is their share of what registers alone
// can do (src/kernels/machine_peak.h). Inputs and weights of one call stay in the caches between
// runs, where an encoder walks through all its layers: these are upper bounds.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "base/floating_point.h"
#include "kernel_cases.h"
#include "kernels/machine_peak.h"

namespace akin::bench {
namespace {

void Time(benchmark::State& state, const KernelCase& kernel_case, const kernels::Kernels& kernels,
          double peak) {
  const ScopedFlushDenormals flush;  // As the encoder runs.
  const auto work = kernel_case.make(kernels);
  if (const std::string difference = work->Check(); !difference.empty()) {
    state.SkipWithError(difference.c_str());
    return;
  }
  for (auto _ : state) work->Run();
  using benchmark::Counter;
  if (kernel_case.operations == 0) return;
  state.counters["GFLOP/s"] =
      Counter(kernel_case.operations / 1e9, Counter::kIsIterationInvariantRate);
  if (peak > 0) {
    state.counters["peak"] =
        Counter(kernel_case.operations / peak, Counter::kIsIterationInvariantRate);
  }
}

void Register(const kernels::Kernels& kernels, double peak) {
  for (const KernelCase& kernel_case : KernelCases()) {
    if (!HasOwnForm(kernel_case, kernels)) continue;
    benchmark::RegisterBenchmark(
        NameIn(kernels.requested, kernel_case).c_str(),
        [=](benchmark::State& state) { Time(state, kernel_case, kernels, peak); })
        ->Unit(benchmark::kMicrosecond);
  }
}

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (const Precision precision : kernels::kPrecisions) {
    const auto kernels = kernels::SelectKernels(Isa::kAuto, precision);
    if (!kernels) {
      std::fprintf(stderr, "kernels_bench: %s\n", kernels.error().message().c_str());
      return 1;
    }
    if (kernels->precision != precision) continue;  // Runs as another one, which is here too.
    const double peak = kernels::MeasuredPeak(kernels->isa, precision);
    benchmark::AddCustomContext("peak " + std::string(PrecisionName(precision)) + " on " +
                                    std::string(IsaName(kernels->isa)),
                                std::to_string(peak / 1e9) + " GFLOP/s");
    Register(*kernels, peak);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace akin::bench

int main(int argc, char** argv) { return akin::bench::Main(argc, argv); }
