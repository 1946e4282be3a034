#include "base/cpu_info.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/strings.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace akin {
namespace {

// Register state that the operating system must save, as bits of XCR0.
constexpr unsigned kSseState = 1u << 1;
constexpr unsigned kAvxState = kSseState | 1u << 2;         // ymm
constexpr unsigned kAvx512State = kAvxState | 0b111u << 5;  // opmask, upper zmm, zmm16 to zmm31
constexpr unsigned kAmxState = 0b11u << 17;                 // tile configuration, tile data

struct Feature {
  const char* name;
  unsigned CpuidLeaves::* leaf;
  int bit;
  unsigned state;  // Needed in XCR0.
};

// Names as compilers spell them.
constexpr Feature kFeatures[] = {
    {"sse4.2", &CpuidLeaves::leaf1_ecx, 20, 0},
    {"popcnt", &CpuidLeaves::leaf1_ecx, 23, 0},
    {"avx", &CpuidLeaves::leaf1_ecx, 28, kAvxState},
    {"f16c", &CpuidLeaves::leaf1_ecx, 29, kAvxState},
    {"fma", &CpuidLeaves::leaf1_ecx, 12, kAvxState},
    {"avx2", &CpuidLeaves::leaf7_ebx, 5, kAvxState},
    {"avx_vnni", &CpuidLeaves::leaf7_1_eax, 4, kAvxState},
    {"avx512f", &CpuidLeaves::leaf7_ebx, 16, kAvx512State},
    {"avx512bw", &CpuidLeaves::leaf7_ebx, 30, kAvx512State},
    {"avx512dq", &CpuidLeaves::leaf7_ebx, 17, kAvx512State},
    {"avx512vl", &CpuidLeaves::leaf7_ebx, 31, kAvx512State},
    {"avx512_vnni", &CpuidLeaves::leaf7_ecx, 11, kAvx512State},
    {"avx512_bf16", &CpuidLeaves::leaf7_1_eax, 5, kAvx512State},
    {"avx512_fp16", &CpuidLeaves::leaf7_edx, 23, kAvx512State},
    {"amx_tile", &CpuidLeaves::leaf7_edx, 24, kAmxState},
    {"amx_bf16", &CpuidLeaves::leaf7_edx, 22, kAmxState},
    {"amx_int8", &CpuidLeaves::leaf7_edx, 25, kAmxState},
};

bool Listed(const CpuidLeaves& leaves, const Feature& feature) {
  return (leaves.*feature.leaf >> feature.bit & 1u) != 0;
}

bool Permitted(const CpuidLeaves& leaves, const Feature& feature) {
  return (feature.state & kAmxState) == 0 || leaves.tile_refusal == 0;
}

bool StateSaved(const CpuidLeaves& leaves, const Feature& feature) {
  return (leaves.xcr0 & feature.state) == feature.state;
}

// The first of `names` that is missing is the reason.
CpuSupport RequireAll(const CpuidLeaves& leaves, std::span<const std::string_view> names) {
  for (std::string_view name : names) {
    const auto* feature = std::ranges::find(kFeatures, name, &Feature::name);
    if (!Listed(leaves, *feature)) return {false, "CPU lacks " + std::string(name)};
    if (!StateSaved(leaves, *feature)) {
      return {false, "the operating system does not save the registers of " + std::string(name)};
    }
    if (!Permitted(leaves, *feature)) {
      return {false, StrCat("the operating system refuses this process the registers of ", name,
                            ": ", std::strerror(leaves.tile_refusal))};
    }
  }
  return {true, ""};
}

void SetNotX86(CpuInfo& info) {
  for (CpuSupport* tier : {&info.avx2_fma, &info.avx2_vnni, &info.avx512, &info.avx512_vnni,
                           &info.avx512_bf16, &info.amx})
    *tier = {.usable = false, .reason = "not an x86-64 CPU"};
}

void SetNotArm(CpuInfo& info) {
  for (CpuSupport* tier : {&info.neon, &info.neon_dot})
    *tier = {.usable = false, .reason = "not an aarch64 CPU"};
}

// Bits of AT_HWCAP (Linux, arch/arm64/include/uapi/asm/hwcap.h).
constexpr unsigned long kHwcapAsimd = 1ul << 1;

struct ArmFeature {
  const char* name;
  unsigned long ArmLeaves::* leaf;
  unsigned long mask;
};

// Names as /proc/cpuinfo spells them.
constexpr ArmFeature kArmFeatures[] = {
    {"asimd", &ArmLeaves::hwcap, kHwcapAsimd}, {"asimdhp", &ArmLeaves::hwcap, 1ul << 10},
    {"asimddp", &ArmLeaves::hwcap, 1ul << 20}, {"sve", &ArmLeaves::hwcap, 1ul << 22},
    {"i8mm", &ArmLeaves::hwcap2, 1ul << 13},   {"bf16", &ArmLeaves::hwcap2, 1ul << 14},
};

struct ArmCore {
  unsigned long maker, part;
  const char* name;
};

// Cores that servers and small boards have; the others go by their numbers.
constexpr ArmCore kArmCores[] = {
    {0x41, 0xd03, "Arm Cortex-A53"},   {0x41, 0xd05, "Arm Cortex-A55"},
    {0x41, 0xd07, "Arm Cortex-A57"},   {0x41, 0xd08, "Arm Cortex-A72"},
    {0x41, 0xd0b, "Arm Cortex-A76"},   {0x41, 0xd0c, "Arm Neoverse N1"},
    {0x41, 0xd40, "Arm Neoverse V1"},  {0x41, 0xd41, "Arm Cortex-A78"},
    {0x41, 0xd49, "Arm Neoverse N2"},  {0x41, 0xd4f, "Arm Neoverse V2"},
    {0xc0, 0xac3, "Ampere AmpereOne"},
};

std::string ArmName(unsigned long midr) {
  if (midr == 0) return "unknown CPU";
  const unsigned long maker = midr >> 24 & 0xff, part = midr >> 4 & 0xfff;
  for (const ArmCore& core : kArmCores) {
    if (core.maker == maker && core.part == part) return core.name;
  }
  return StrCat("aarch64 CPU, implementer ", maker, ", part ", part);
}

#if defined(__x86_64__)

unsigned ReadXcr0() {
  unsigned eax, edx;
  __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));  // The intrinsic needs -mxsave.
  return eax;
}

// The errno of a refusal, or 0.
int AskForTiles() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? 0 : errno;
#else
  return ENOSYS;
#endif
}

// The brand string: 48 bytes over three leaves, padded with blanks or zeros.
std::string ReadName() {
  unsigned words[12] = {};
  if (__get_cpuid_max(0x80000000u, nullptr) < 0x80000004u) return "unknown CPU";
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* w = words + 4 * i;
    __get_cpuid(0x80000002u + i, w, w + 1, w + 2, w + 3);
  }
  char text[sizeof words + 1] = {};
  std::memcpy(text, words, sizeof words);
  const std::string_view name(text);
  const size_t first = name.find_first_not_of(' ');
  if (first == std::string_view::npos) return "unknown CPU";
  return std::string(name.substr(first, name.find_last_not_of(' ') - first + 1));
}

#endif

}  // namespace

bool CpuInfo::Has(std::string_view feature) const {
  return std::ranges::find(features, feature) != features.end();
}

CpuInfo DecodeCpuid(const CpuidLeaves& leaves, std::string name) {
  static constexpr std::string_view kAvx2Vnni[] = {"avx", "avx2", "fma", "avx_vnni"};
  // Each with all that the one before it has.
  static constexpr std::string_view kAll[] = {"avx",         "avx2",     "fma",      "avx512f",
                                              "avx512bw",    "avx512dq", "avx512vl", "avx512_vnni",
                                              "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8"};
  const std::span<const std::string_view> all(kAll);
  CpuInfo info;
  info.name = std::move(name);
  for (const Feature& feature : kFeatures) {
    if (Listed(leaves, feature) && StateSaved(leaves, feature) && Permitted(leaves, feature)) {
      info.features.emplace_back(feature.name);
    }
  }
  info.avx2_fma = RequireAll(leaves, all.first(3));
  info.avx2_vnni = RequireAll(leaves, kAvx2Vnni);
  info.avx512 = RequireAll(leaves, all.first(7));
  info.avx512_vnni = RequireAll(leaves, all.first(8));
  info.avx512_bf16 = RequireAll(leaves, all.first(9));
  info.amx = RequireAll(leaves, all);
  SetNotArm(info);
  return info;
}

CpuInfo DecodeArm(const ArmLeaves& leaves) {
  CpuInfo info;
  info.name = ArmName(leaves.midr);
  for (const ArmFeature& feature : kArmFeatures) {
    if (leaves.*feature.leaf & feature.mask) info.features.emplace_back(feature.name);
  }
  const auto require = [&](std::string_view name) {
    return info.Has(name) ? CpuSupport{true, ""}
                          : CpuSupport{false, "CPU lacks " + std::string(name)};
  };
  info.neon = require("asimd");
  info.neon_dot = info.neon.usable ? require("asimddp") : info.neon;
  SetNotX86(info);
  return info;
}

#if defined(__x86_64__)

CpuidLeaves ReadCpuidLeaves() {
  constexpr unsigned kOsXsave = 1u << 27, kAmxTile = 1u << 24;
  CpuidLeaves leaves;
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) leaves.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    leaves.leaf7_ebx = ebx;
    leaves.leaf7_ecx = ecx;
    leaves.leaf7_edx = edx;
    // eax is the highest sub-leaf.
    if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) leaves.leaf7_1_eax = eax;
  }
  if (leaves.leaf1_ecx & kOsXsave) leaves.xcr0 = ReadXcr0();
  const bool has_tiles = (leaves.leaf7_edx & kAmxTile) != 0;
  if (has_tiles && (leaves.xcr0 & kAmxState) == kAmxState) leaves.tile_refusal = AskForTiles();
  return leaves;
}

CpuInfo ReadCpu() { return DecodeCpuid(ReadCpuidLeaves(), ReadName()); }

#elif defined(__aarch64__)

CpuInfo ReadCpu() {
  ArmLeaves leaves{.hwcap = kHwcapAsimd};  // Where nothing tells more.
#if defined(__linux__)
  constexpr unsigned long kHwcapCpuid = 1ul << 11;
  leaves.hwcap = getauxval(AT_HWCAP);
  leaves.hwcap2 = getauxval(AT_HWCAP2);
  // The kernel answers for programs, which must not read the register by themselves.
  if (leaves.hwcap & kHwcapCpuid) __asm__("mrs %0, MIDR_EL1" : "=r"(leaves.midr));
#endif
  return DecodeArm(leaves);
}

#else

CpuInfo ReadCpu() {
  CpuInfo info;
  info.name = "unknown CPU";
  SetNotX86(info);
  SetNotArm(info);
  return info;
}

#endif

}  // namespace akin
