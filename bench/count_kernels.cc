// Runs one kernel once, so that a simulator can count its instructions: tools/count_instructions.py
// starts it under callgrind, which counts inside AkinCountedCall only.
//
//   count_kernels ISA          lists the tier's cases, "int16/linear/qkv/m:14"
//   count_kernels ISA NAME     runs one
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/floating_point.h"
#include "base/strings.h"
#include "kernel_cases.h"

extern "C" __attribute__((noinline)) void AkinCountedCall(akin::bench::KernelWork& work) {
  work.Run();
  asm volatile("" : : : "memory");  // So that the call above is not a jump out of here.
}

namespace akin::bench {
namespace {

void Count(const KernelCase& kernel_case, const kernels::Kernels& kernels) {
  const ScopedFlushDenormals flush;
  AkinCountedCall(*kernel_case.make(kernels));
}

// Prints the names of `isa`, or runs the case of one.
Status ListOrCount(Isa isa, std::optional<std::string_view> name) {
  for (const Precision precision : kernels::kPrecisions) {
    AKIN_TRY_ASSIGN(const kernels::Kernels kernels, kernels::SelectKernels(isa, precision));
    for (const KernelCase& kernel_case : KernelCases()) {
      if (!HasOwnForm(kernel_case, kernels)) continue;
      const std::string own_name = NameIn(precision, kernel_case);
      if (!name) std::printf("%s\n", own_name.c_str());
      if (name != own_name) continue;
      Count(kernel_case, kernels);
      return {};
    }
  }
  if (name) return InvalidInput("there is no case ", *name);
  return {};
}

int Main(int argc, char** argv) {
  const auto isa = ParseIsa(argc > 1 ? argv[1] : "auto");
  const Status done =
      isa ? ListOrCount(*isa, argc > 2 ? std::optional<std::string_view>(argv[2]) : std::nullopt)
          : Status(isa.error());
  if (done) return 0;
  std::fprintf(stderr, "count_kernels: %s\n", done.error().message().c_str());
  return 1;
}

}  // namespace
}  // namespace akin::bench

int main(int argc, char** argv) { return akin::bench::Main(argc, argv); }
