// This machine as it would be without AVX-512: what auto takes on CPUs with AVX-VNNI only.
#include <gtest/gtest.h>

#include "base/cpu_info.h"
#include "kernels/kernels.h"

namespace akin {

// In place of base/this_cpu.cc's.
const CpuInfo& GetCpuInfo() {
  static const CpuInfo info = [] {
    CpuidLeaves leaves = ReadCpuidLeaves();
    leaves.leaf7_ebx &= ~(1u << 16);  // AVX-512 F
    return DecodeCpuid(leaves, "a client");
  }();
  return info;
}

namespace kernels {
namespace {

TEST(ClientCpu, TakesAvxVnniForIntegersAndAvx2ForTheRest) {
  const CpuInfo& cpu = GetCpuInfo();
  if (!cpu.avx2_vnni.usable) GTEST_SKIP() << cpu.avx2_vnni.reason;
  EXPECT_EQ(ChooseIsa(Isa::kAuto).value().isa, Isa::kAvx2Vnni);
  EXPECT_EQ(FasterThanF32(Isa::kAvx2Vnni), (std::vector{Precision::kInt8, Precision::kInt16}));
  for (const Precision precision : kPrecisions) {
    const Kernels mine = SelectKernels(Isa::kAuto, precision).value();
    const Kernels avx2 = SelectKernels(Isa::kAvx2, precision).value();
    const bool integers = precision == Precision::kInt8 || precision == Precision::kInt16;
    EXPECT_EQ(mine.precision, avx2.precision) << PrecisionName(precision);
    EXPECT_EQ(mine.linear.linear != avx2.linear.linear, integers) << PrecisionName(precision);
    EXPECT_EQ(mine.attention.attention, avx2.attention.attention) << PrecisionName(precision);
  }
}

TEST(ClientCpu, SaysWhatAvx512Lacks) {
  const auto kernels = SelectKernels(Isa::kAvx512Vnni, Precision::kInt8);
  ASSERT_FALSE(kernels);
  EXPECT_NE(kernels.error().message().find("CPU lacks avx"), std::string::npos)
      << kernels.error().message();
}

}  // namespace
}  // namespace kernels
}  // namespace akin
