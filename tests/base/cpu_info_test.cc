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
  EXPECT_TRUE(info.avx2_vnni.usable);
  EXPECT_TRUE(info.avx512.usable);
  EXPECT_EQ(info.avx512.reason, "");
  EXPECT_TRUE(info.Has("amx_bf16"));
  EXPECT_EQ(info.neon.reason, "not an aarch64 CPU");
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

  leaves = FullCpu();
  leaves.leaf7_1_eax &= ~(1u << 4);
  info = DecodeCpuid(leaves, "");
  EXPECT_TRUE(info.avx2_fma.usable);
  EXPECT_EQ(info.avx2_vnni.reason, "CPU lacks avx_vnni");
  EXPECT_TRUE(info.amx.usable) << "AVX-512 has products of its own";
}

TEST(CpuInfo, RegistersThatTheSystemDoesNotSaveAreNotUsable) {
  CpuidLeaves leaves = FullCpu();
  leaves.xcr0 = 0b111;  // x87, SSE, AVX.
  CpuInfo info = DecodeCpuid(leaves, "");
  EXPECT_TRUE(info.avx2_fma.usable);
  EXPECT_TRUE(info.avx2_vnni.usable);
  EXPECT_FALSE(info.avx512.usable);
  EXPECT_EQ(info.avx512.reason, "the operating system does not save the registers of avx512f");
  EXPECT_FALSE(info.Has("avx512f"));
  EXPECT_FALSE(info.Has("amx_tile"));

  leaves.xcr0 = 0b11;
  info = DecodeCpuid(leaves, "");
  EXPECT_EQ(info.avx2_fma.reason, "the operating system does not save the registers of avx");
  EXPECT_EQ(info.avx2_vnni.reason, info.avx2_fma.reason);
}

TEST(CpuInfo, CpuWithoutAnyFeatureIsScalar) {
  const CpuInfo info = DecodeCpuid({}, "");
  EXPECT_TRUE(info.features.empty());
  EXPECT_FALSE(info.avx2_fma.usable);
  EXPECT_EQ(info.avx2_fma.reason, "CPU lacks avx");
}

TEST(CpuInfo, ArmTiersFollowWhatTheKernelLists) {
  CpuInfo info = DecodeArm({.hwcap = 1u << 1 | 1u << 20, .hwcap2 = 1u << 14, .midr = 0x413fd0c1});
  EXPECT_EQ(info.name, "Arm Neoverse N1");
  EXPECT_TRUE(info.neon.usable);
  EXPECT_TRUE(info.neon_dot.usable);
  EXPECT_TRUE(info.Has("bf16"));
  EXPECT_FALSE(info.Has("i8mm"));
  EXPECT_EQ(info.avx2_fma.reason, "not an x86-64 CPU");
  EXPECT_EQ(info.avx2_vnni.reason, "not an x86-64 CPU");

  info = DecodeArm({.hwcap = 1u << 1, .hwcap2 = 0, .midr = 0x610f0220});
  EXPECT_EQ(info.name, "aarch64 CPU, implementer 97, part 34");
  EXPECT_TRUE(info.neon.usable);
  EXPECT_EQ(info.neon_dot.reason, "CPU lacks asimddp");
  EXPECT_EQ(DecodeArm({}).neon_dot.reason, "CPU lacks asimd");
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
#if defined(__aarch64__)
  EXPECT_TRUE(GetCpuInfo().neon.usable);
#endif
}

}  // namespace
}  // namespace akin
