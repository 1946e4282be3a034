#include "base/cpu_info.h"

#include <gtest/gtest.h>

namespace akin {
namespace {

// A CPU with everything that CpuidLeaves can state, under a system that saves all registers.
CpuidLeaves FullCpu() {
  return {.leaf1_ecx = ~0u,
          .leaf7_ebx = ~0u,
          .leaf7_ecx = ~0u,
          .leaf7_edx = ~0u,
          .leaf7_1_eax = ~0u,
          .xcr0 = ~0u};
}

TEST(CpuInfo, FullCpuCanUseEveryTier) {
  const CpuInfo info = DecodeCpuid(FullCpu(), "Full");
  EXPECT_EQ(info.name, "Full");
  EXPECT_TRUE(info.avx2_fma.usable);
  EXPECT_TRUE(info.avx512.usable);
  EXPECT_EQ(info.avx512.reason, "");
  EXPECT_TRUE(info.Has("amx_bf16"));
}

TEST(CpuInfo, MissingInstructionIsNamed) {
  CpuidLeaves leaves = FullCpu();
  leaves.leaf1_ecx &= ~(1u << 12);
  CpuInfo info = DecodeCpuid(leaves, "");
  EXPECT_FALSE(info.avx2_fma.usable);
  EXPECT_EQ(info.avx2_fma.reason, "CPU lacks fma");
  EXPECT_EQ(info.avx512.reason, "CPU lacks fma") << "the AVX-512 kernels build on the AVX2 ones";

  leaves = FullCpu();
  leaves.leaf7_ebx &= ~(1u << 17);
  info = DecodeCpuid(leaves, "");
  EXPECT_TRUE(info.avx2_fma.usable);
  EXPECT_EQ(info.avx512.reason, "CPU lacks avx512dq");
}

TEST(CpuInfo, RegistersThatTheSystemDoesNotSaveAreNotUsable) {
  CpuidLeaves leaves = FullCpu();
  leaves.xcr0 = 0b111;  // x87, SSE, AVX.
  CpuInfo info = DecodeCpuid(leaves, "");
  EXPECT_TRUE(info.avx2_fma.usable);
  EXPECT_FALSE(info.avx512.usable);
  EXPECT_EQ(info.avx512.reason, "the operating system does not save the registers of avx512f");
  EXPECT_FALSE(info.Has("avx512f"));
  EXPECT_FALSE(info.Has("amx_tile"));

  leaves.xcr0 = 0b11;
  info = DecodeCpuid(leaves, "");
  EXPECT_EQ(info.avx2_fma.reason, "the operating system does not save the registers of avx");
}

TEST(CpuInfo, CpuWithoutAnyFeatureIsScalar) {
  const CpuInfo info = DecodeCpuid({}, "");
  EXPECT_TRUE(info.features.empty());
  EXPECT_FALSE(info.avx2_fma.usable);
  EXPECT_EQ(info.avx2_fma.reason, "CPU lacks avx");
}

TEST(CpuInfo, ThisMachineAgreesWithTheCompilersOwnLookup) {
#if defined(__x86_64__)
  const CpuInfo& info = GetCpuInfo();
  EXPECT_FALSE(info.name.empty());
  EXPECT_EQ(info.Has("avx2"), __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(info.Has("fma"), __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ(info.Has("avx512f"), __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(info.Has("avx512vl"), __builtin_cpu_supports("avx512vl") != 0);
#else
  EXPECT_FALSE(GetCpuInfo().avx2_fma.usable);
#endif
}

}  // namespace
}  // namespace akin
