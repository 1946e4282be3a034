// What the CPU can compute and the operating system lets programs use.
//
// On x86-64 a vector instruction is usable when CPUID lists it *and* the system saves its registers
// on a task switch, which XGETBV tells (Intel SDM volume 1, 13.3 and 14.3). A hypervisor may hide
// either one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace akin {

// Whether a group of instructions can be used here.
struct CpuSupport {
  bool usable = false;
  std::string reason;  // Of not being usable: "CPU lacks fma". Empty when usable.
};

struct CpuInfo {
  std::string name;                   // "AMD EPYC 9354"; "unknown CPU" when it does not tell.
  std::vector<std::string> features;  // Usable ones that matter to kernels: "avx2", "avx512f", ...
  CpuSupport avx2_fma;                // AVX2 and FMA.
  CpuSupport avx2_vnni;               // AVX-VNNI, and avx2_fma.
  CpuSupport avx512;                  // AVX-512 F, BW, DQ and VL, and avx2_fma.
  CpuSupport avx512_vnni;             // AVX-512 VNNI, and avx512.
  CpuSupport avx512_bf16;             // AVX-512 BF16, and avx512_vnni.
  CpuSupport amx;                     // AMX BF16 and INT8, permitted to us, and avx512_bf16.
  CpuSupport neon;                    // Advanced SIMD.
  CpuSupport neon_dot;                // FEAT_DotProd, and neon.

  bool Has(std::string_view feature) const;
};

// Looked up once, at the first call. In a file of its own (this_cpu.cc), so that a test program can
// link another CPU (tests/support/amx_emulator.h).
const CpuInfo& GetCpuInfo();

// Asks the machine. With AMX it also asks the kernel for the tile registers, which a process may
// not touch before (Linux, Documentation/arch/x86/xstate.rst); a permission lasts as long as the
// process and costs nothing until tiles are used.
CpuInfo ReadCpu();

// The raw answers of CPUID and XGETBV that the decision is made of, so that tests can state a CPU.
struct CpuidLeaves {
  unsigned leaf1_ecx = 0;
  unsigned leaf7_ebx = 0;
  unsigned leaf7_ecx = 0;
  unsigned leaf7_edx = 0;
  unsigned leaf7_1_eax = 0;  // Leaf 7, sub-leaf 1.
  // 0 where leaf1_ecx has no OSXSAVE bit: the system then saves no vector registers past SSE.
  unsigned xcr0 = 0;
  // The errno with which the kernel refused the tile registers; 0 where it gave them, or where
  // there are none.
  int tile_refusal = 0;
};
CpuidLeaves ReadCpuidLeaves();
CpuInfo DecodeCpuid(const CpuidLeaves& leaves, std::string name);

// What Linux on aarch64 tells of the CPU: the kernel lists what it lets programs use, so that there
// is no second question. MIDR_EL1 names the maker (bits 31 to 24) and the part (bits 15 to 4).
struct ArmLeaves {
  unsigned long hwcap = 0;   // getauxval(AT_HWCAP)
  unsigned long hwcap2 = 0;  // getauxval(AT_HWCAP2)
  unsigned long midr = 0;    // 0 where programs may not read it.
};
CpuInfo DecodeArm(const ArmLeaves& leaves);

}  // namespace akin
