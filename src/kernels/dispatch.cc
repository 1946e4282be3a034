#include <cstdlib>
#include <span>
#include <utility>

#include "base/cpu_info.h"
#include "base/strings.h"
#include "kernels/kernels.h"
#include "kernels/machine_peak.h"

namespace akin::kernels {
namespace {

// The tiers from the lowest to the highest; each is stacked on the ones below it.
struct Tier {
  Isa isa;
  CpuSupport support;
  Kernels (*with)(Kernels below);
  // Nothing stands on it: the tiers after it are the same on CPUs with and without it.
  bool aside = false;
};

std::vector<Tier> Tiers() {
  const CpuInfo& cpu = GetCpuInfo();
  return {{Isa::kScalar, {.usable = true, .reason = ""}, [](Kernels below) { return below; }},
          {Isa::kAvx2, cpu.avx2_fma, WithAvx2},
          {Isa::kAvx2Vnni, cpu.avx2_vnni, WithAvx2Vnni, true},
          {Isa::kAvx512, cpu.avx512, WithAvx512},
          {Isa::kAvx512Vnni, cpu.avx512_vnni, WithAvx512Vnni},
          {Isa::kAvx512Bf16, cpu.avx512_bf16, WithAvx512Bf16},
          {Isa::kAmx, cpu.amx, WithAmx},
          {Isa::kNeon, cpu.neon, WithNeon},
          {Isa::kNeonDot, cpu.neon_dot, WithNeonDot}};
}

// The highest tier is the fastest, but where its products of bf16 are slow: the tier below has the
// same products of integers, and bf16's weights times rows in f32.
IsaChoice BestIsa(std::span<const Tier> tiers) {
  Isa best = Isa::kScalar, below = best;
  for (const Tier& tier : tiers) {
    if (tier.support.usable) below = std::exchange(best, tier.isa);
  }
  if (best == Isa::kAvx512Bf16 && !Bf16ProductsPay())
    return {below, "the fastest here: this CPU multiplies bf16 no faster than f32"};
  return {best, "the best that this CPU and operating system support"};
}

}  // namespace

std::vector<IsaStatus> ListIsas() {
  std::vector<IsaStatus> result;
  for (const Tier& tier : Tiers())
    result.push_back({tier.isa, tier.support.usable, tier.support.reason});
  return result;
}

Result<IsaChoice> ChooseIsa(Isa isa) {
  std::string origin = "requested";
  if (isa == Isa::kAuto) {
    if (const char* name = std::getenv("AKIN_ISA"); name != nullptr && *name != '\0') {
      auto parsed = ParseIsa(name);
      if (!parsed) return InvalidInput("environment AKIN_ISA: ", parsed.error().message());
      isa = *parsed;
      origin = "AKIN_ISA";
    }
  }
  const std::vector<Tier> tiers = Tiers();
  if (isa == Isa::kAuto) return BestIsa(tiers);
  for (const Tier& tier : tiers) {
    if (tier.isa != isa) continue;
    if (tier.support.usable) return IsaChoice{isa, origin};
    return InvalidInput("instruction set '", IsaName(isa), "' (", origin,
                        ") cannot be used here: ", tier.support.reason)
        .Of("isa");
  }
  return InvalidInput("instruction set '", IsaName(isa), "' is not in this build").Of("isa");
}

std::vector<Precision> FasterThanF32(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      if (Avx2Int16ProductsPay()) return {Precision::kInt16};
      return {};
    case Isa::kNeonDot: return {Precision::kInt8};
    case Isa::kAvx2Vnni:
    case Isa::kAvx512Vnni: return {Precision::kInt8, Precision::kInt16};
    case Isa::kAvx512Bf16:
      if (Bf16ProductsPay()) return {Precision::kInt8, Precision::kBf16, Precision::kInt16};
      return {Precision::kInt8, Precision::kInt16};
    case Isa::kAmx: return {Precision::kInt8, Precision::kBf16, Precision::kBf16x3};
    default: return {};
  }
}

Result<Kernels> SelectKernels(Isa isa, Precision precision) {
  if (precision == Precision::kF16) {
    return InvalidInput(
        "precision f16 is the backend mlx's; the native one has f32, bf16x3, bf16, int16, w8 and "
        "int8");
  }
  AKIN_TRY_ASSIGN(const IsaChoice choice, ChooseIsa(isa));
  Kernels kernels = ScalarKernels(precision);
  for (const Tier& tier : Tiers()) {
    const bool below = !tier.aside || tier.isa == choice.isa;
    if (tier.support.usable && below) kernels = tier.with(kernels);
    if (tier.isa == choice.isa) break;
  }
  return kernels;
}

}  // namespace akin::kernels
