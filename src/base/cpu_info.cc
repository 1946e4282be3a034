#include "base/cpu_info.h"

#include <algorithm>
#include <cstring>
#include <span>

#if defined(__x86_64__)
#include <cpuid.h>
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
  }
  return {true, ""};
}

#if defined(__x86_64__)

unsigned ReadXcr0() {
  unsigned eax, edx;
  __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));  // The intrinsic needs -mxsave.
  return eax;
}

CpuidLeaves ReadLeaves() {
  constexpr unsigned kOsXsave = 1u << 27;
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
  return leaves;
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

CpuInfo ReadCpu() { return DecodeCpuid(ReadLeaves(), ReadName()); }

#else

CpuInfo ReadCpu() {
  CpuInfo info;
  info.name = "unknown CPU";
  info.avx2_fma.reason = info.avx512.reason = info.avx512_vnni.reason = info.avx512_bf16.reason =
      "not an x86-64 CPU";
  return info;
}

#endif

}  // namespace

bool CpuInfo::Has(std::string_view feature) const {
  return std::ranges::find(features, feature) != features.end();
}

CpuInfo DecodeCpuid(const CpuidLeaves& leaves, std::string name) {
  static constexpr std::string_view kAvx2Fma[] = {"avx", "avx2", "fma"};
  // Each with all that the one before it has.
  static constexpr std::string_view kAvx512Bf16[] = {"avx",         "avx2",       "fma",
                                                     "avx512f",     "avx512bw",   "avx512dq",
                                                     "avx512vl",    "avx512_vnni", "avx512_bf16"};
  const std::span<const std::string_view> bf16(kAvx512Bf16);
  CpuInfo info;
  info.name = std::move(name);
  for (const Feature& feature : kFeatures) {
    if (Listed(leaves, feature) && StateSaved(leaves, feature)) {
      info.features.emplace_back(feature.name);
    }
  }
  info.avx2_fma = RequireAll(leaves, kAvx2Fma);
  info.avx512 = RequireAll(leaves, bf16.first(7));
  info.avx512_vnni = RequireAll(leaves, bf16.first(8));
  info.avx512_bf16 = RequireAll(leaves, bf16);
  return info;
}

const CpuInfo& GetCpuInfo() {
  static const CpuInfo info = ReadCpu();
  return info;
}

}  // namespace akin
