// Runs one kernel once, so that a simulator can count its instructions: tools/count_instructions.py
// starts it under callgrind, which counts inside AkinCountedCall only.
//
//   count_kernels               lists the cases
//   count_kernels NAME [ISA]    runs one, in f32
#include <cstdio>
#include <string>

#include "base/floating_point.h"
#include "kernel_cases.h"

extern "C" __attribute__((noinline)) void AkinCountedCall(akin::bench::KernelWork& work) {
  work.Run();
  asm volatile("" : : : "memory");  // So that the call above is not a jump out of here.
}

namespace akin::bench {
namespace {

int Count(const KernelCase& kernel_case, const std::string& isa_name) {
  const auto isa = ParseIsa(isa_name);
  const auto kernels = isa ? kernels::SelectKernels(*isa) : isa.error();
  if (!kernels) {
    std::fprintf(stderr, "count_kernels: %s\n", kernels.error().message().c_str());
    return 1;
  }
  const ScopedFlushDenormals flush;
  AkinCountedCall(*kernel_case.make(*kernels));
  return 0;
}

int Main(int argc, char** argv) {
  for (const KernelCase& kernel_case : KernelCases()) {
    if (argc < 2) std::printf("%s\n", kernel_case.name.c_str());
    if (argc >= 2 && kernel_case.name == argv[1]) {
      return Count(kernel_case, argc > 2 ? argv[2] : "auto");
    }
  }
  if (argc < 2) return 0;
  std::fprintf(stderr, "count_kernels: there is no case %s\n", argv[1]);
  return 1;
}

}  // namespace
}  // namespace akin::bench

int main(int argc, char** argv) { return akin::bench::Main(argc, argv); }
