#include <gtest/gtest.h>

#include <cstdlib>

#include "kernels/kernels.h"

namespace akin::kernels {
namespace {

// Sets AKIN_ISA for one test.
class ScopedIsaVariable {
 public:
  explicit ScopedIsaVariable(const char* value) { setenv("AKIN_ISA", value, 1); }
  ~ScopedIsaVariable() { unsetenv("AKIN_ISA"); }
};

TEST(Dispatch, AutoIsTheBestUsableTier) {
  Isa best = Isa::kScalar;
  for (const IsaStatus& status : ListIsas()) {
    if (status.usable) best = status.isa;
    EXPECT_EQ(status.usable, status.reason.empty()) << IsaName(status.isa);
  }
  EXPECT_EQ(SelectKernels(Isa::kAuto).value().isa, best);
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

TEST(Dispatch, EveryTierFillsTheWholeTable) {
  for (const IsaStatus& status : ListIsas()) {
    if (!status.usable) continue;
    const Kernels kernels = SelectKernels(status.isa).value();
    EXPECT_EQ(kernels.isa, status.isa);
    EXPECT_GT(kernels.panel_width, 0u);
    EXPECT_TRUE(kernels.pack_panel && kernels.linear && kernels.attention &&
                kernels.attention_scratch_floats && kernels.layer_norm);
  }
}

}  // namespace
}  // namespace akin::kernels
