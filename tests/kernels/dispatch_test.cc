#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kernels/machine_peak.h"
#include "kernels/tiers.h"

namespace akin::kernels {
namespace {

// Sets AKIN_ISA for one test.
class ScopedIsaVariable {
 public:
  explicit ScopedIsaVariable(const char* value) { setenv("AKIN_ISA", value, 1); }
  ~ScopedIsaVariable() { unsetenv("AKIN_ISA"); }
};

TEST(Dispatch, AutoIsTheBestUsableTierWhoseProductsPay) {
  Isa best = Isa::kScalar;
  for (const IsaStatus& status : ListIsas()) {
    if (status.usable) best = status.isa;
    EXPECT_EQ(status.usable, status.reason.empty()) << IsaName(status.isa);
  }
  const IsaChoice choice = ChooseIsa(Isa::kAuto).value();
  const bool passed_over = best == Isa::kAvx512Bf16 && !Bf16ProductsPay();
  EXPECT_EQ(choice.isa, passed_over ? Isa::kAvx512Vnni : best);
  EXPECT_EQ(choice.reason.find("multiplies bf16 no faster") != std::string::npos, passed_over)
      << choice.reason;
  EXPECT_EQ(SelectKernels(Isa::kAuto).value().isa, choice.isa);
}

// So that a tier has the same bits wherever it runs.
TEST(Dispatch, TiersOfAvx512DoNotStandOnAvxVnni) {
  for (const Precision precision : {Precision::kInt8, Precision::kInt16}) {
    const auto avx2 = SelectKernels(Isa::kAvx2, precision);
    const auto avx512 = SelectKernels(Isa::kAvx512, precision);
    if (!avx2 || !avx512) GTEST_SKIP() << "this CPU has no AVX-512";
    EXPECT_EQ(avx512->linear.linear, avx2->linear.linear) << PrecisionName(precision);
  }
}

// What is faster on a tier runs there as itself.
TEST(Dispatch, WhatIsFasterThanF32IsNotF32) {
  for (const Isa isa : UsableIsas()) {
    for (const Precision precision : FasterThanF32(isa))
      EXPECT_EQ(SelectKernels(isa, precision).value().precision, precision) << IsaName(isa);
  }
}

TEST(Dispatch, AttentionIsInF32WhereAPrecisionIsNearIt) {
  for (const auto& [isa, precision] : UsableTierPrecisions()) {
    if (!AttendsInF32(precision)) continue;
    const Kernels kernels = SelectKernels(isa, precision).value();
    EXPECT_EQ(kernels.attention_bf16.attention, nullptr)
        << IsaName(isa) << ' ' << PrecisionName(precision);
  }
}

TEST(Dispatch, EnvironmentForcesATier) {
  const ScopedIsaVariable variable("scalar");
  EXPECT_EQ(SelectKernels(Isa::kAuto).value().isa, Isa::kScalar);
}

TEST(Dispatch, OptionBeatsTheEnvironment) {
  const ScopedIsaVariable variable("no-such-tier");
  EXPECT_EQ(SelectKernels(Isa::kScalar).value().isa, Isa::kScalar);
}

TEST(Dispatch, UnknownTierInTheEnvironmentIsNamedWithTheKnownOnes) {
  const ScopedIsaVariable variable("sse9");
  const auto kernels = SelectKernels(Isa::kAuto);
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.error().code(), ErrorCode::kInvalidInput);
  EXPECT_NE(kernels.error().message().find("AKIN_ISA"), std::string::npos);
  EXPECT_NE(kernels.error().message().find("sse9"), std::string::npos);
  EXPECT_NE(kernels.error().message().find("avx2"), std::string::npos);
}

TEST(Dispatch, WhatCannotRunHereIsTheOptionIsa) {
#if defined(__aarch64__)
  constexpr Isa kElsewhere = Isa::kAvx2;
#else
  constexpr Isa kElsewhere = Isa::kNeon;
#endif
  const auto kernels = SelectKernels(kElsewhere);
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.error().code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(kernels.error().field(), "isa") << kernels.error().message();
}

TEST(Dispatch, NoKernelComputesInF16) {
  const auto kernels = SelectKernels(Isa::kAuto, Precision::kF16);
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.error().code(), ErrorCode::kInvalidInput);
}

TEST(Dispatch, EveryTierFillsTheWholeTableForEveryPrecision) {
  for (const auto& [isa, precision] : UsableTierPrecisions()) {
    SCOPED_TRACE(testing::Message() << IsaName(isa) << ' ' << PrecisionName(precision));
    const Kernels kernels = SelectKernels(isa, precision).value();
    EXPECT_EQ(kernels.isa, isa);
    EXPECT_EQ(kernels.requested, precision);
    const LinearKernels& linear = kernels.linear;
    EXPECT_GT(linear.panel_width, 0u);
    EXPECT_TRUE(linear.panel_bytes && linear.pack_panel && linear.linear);
    for (const size_t k : {1, 3, 384, 1000}) EXPECT_EQ(linear.panel_bytes(k) % 64, 0u) << k;
    const bool quantized = linear.operand == OperandKind::kQuantized;
    EXPECT_EQ(quantized, linear.operand_bytes != nullptr);
    EXPECT_EQ(quantized, linear.quantize_rows != nullptr);
    EXPECT_TRUE(kernels.attention.attention && kernels.attention.scratch_floats);
    EXPECT_EQ(kernels.attention_bf16.attention == nullptr,
              kernels.attention_bf16.scratch_floats == nullptr);
    EXPECT_TRUE(kernels.patterned_attention.attention &&
                kernels.patterned_attention.scratch_floats);
    EXPECT_EQ(kernels.patterned_attention_bf16.attention == nullptr,
              kernels.attention_bf16.attention == nullptr);
    EXPECT_TRUE(kernels.layer_norm && kernels.rms_norm && kernels.rotate && kernels.to_bf16);
    EXPECT_EQ(linear.panel_width % 2, 0u);  // A gate and its values share a panel.
  }
}

TEST(Dispatch, Bf16x3WithoutAMatrixUnitIsF32AndSaysSo) {
  for (const Isa isa : UsableIsas()) {
    const Precision precision = SelectKernels(isa, Precision::kBf16x3).value().precision;
    const bool splits = isa == Isa::kScalar || isa == Isa::kAmx;
    EXPECT_EQ(precision, splits ? Precision::kBf16x3 : Precision::kF32) << IsaName(isa);
  }
}

TEST(Dispatch, Int16IsF32OnNeonAndSaysSo) {
  for (const Isa isa : UsableIsas()) {
    const Precision precision = SelectKernels(isa, Precision::kInt16).value().precision;
    const bool neon = isa == Isa::kNeon || isa == Isa::kNeonDot;
    EXPECT_EQ(precision, neon ? Precision::kF32 : Precision::kInt16) << IsaName(isa);
  }
}

}  // namespace
}  // namespace akin::kernels
