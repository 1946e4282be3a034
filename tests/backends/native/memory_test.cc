// What a plan says before a model is loaded, and what the loaded one has allocated: the same bytes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "backends/native/native_backend.h"
#include "base/strings.h"
#include "kernels/tiers.h"
#include "support/allocations.h"

namespace akin::backends {
namespace {

struct Loaded {
  model::ModelDirectory directory;
  model::ModelConfig config;
};

Loaded Open(const std::string& path) {
  model::ModelDirectory directory = model::ModelDirectory::Open(path).value();
  model::ModelConfig config = model::LoadModelConfig(directory).value();
  return {std::move(directory), std::move(config)};
}

// One of every way in which memory is laid out.
std::vector<std::string> Folders() {
  std::vector<std::string> folders;
  for (const char* folder :
       {"shared/albert", "shared/deberta-v2", "shared/distilbert", "shared/gemma2",
        "shared/gpt-neox", "shared/gte-hub", "shared/jina-bert-v2", "shared/modernbert",
        "shared/mpnet", "shared/qwen3", "shared/t5-gated", "variants/albert-groups",
        "variants/deberta-conv"})
    folders.push_back(StrCat(AKIN_GOLDEN_MODELS, '/', folder));
  if (const char* real = std::getenv("AKIN_TEST_MODEL"); real != nullptr)
    folders.emplace_back(real);
  return folders;
}

TEST(PlannedMemory, IsWhatTheLoadedModelHasAllocated) {
  for (const std::string& folder : Folders()) {
    const Loaded model = Open(folder);
    for (const kernels::TierPrecision& tier : kernels::UsableTierPrecisions()) {
      SCOPED_TRACE(StrCat(folder, ' ', IsaName(tier.isa), ' ', PrecisionName(tier.precision)));
      const kernels::Kernels kernels = kernels::SelectKernels(tier.isa, tier.precision).value();
      const auto plan = PlanNativeBackend(model.directory, model.config, kernels, 512);
      ASSERT_TRUE(plan) << plan.error().message();
      const auto backend = LoadNativeBackend(model.directory, model.config, kernels);
      ASSERT_TRUE(backend) << backend.error().message();
      EXPECT_GT(plan->weight_bytes, 0u);
      EXPECT_EQ(plan->weight_bytes, (*backend)->Info().weight_bytes);
      for (const size_t team : {1, 3}) {
        for (const size_t most : {17, 512, 9000}) {
          const size_t first = (*backend)->NewSession(most, team)->workspace_bytes();
          EXPECT_GT(first, 0u);
          EXPECT_EQ(plan->workspace(most, 16, team).allocated, first) << most << ' ' << team;
          EXPECT_LE(plan->workspace(most, 16, team).resident,
                    plan->workspace(most, most, team).resident);
          EXPECT_GE(plan->workspace(most, most, team).resident, first);
        }
      }
    }
  }
}

TEST(PlannedMemory, CountsTheWorkspaceThatGrowsForALongerText) {
  const Loaded model = Open(StrCat(AKIN_GOLDEN_MODELS, "/shared/qwen3"));
  const kernels::Kernels kernels = kernels::SelectKernels(Isa::kAuto, Precision::kF32).value();
  const BackendMemory plan = PlanNativeBackend(model.directory, model.config, kernels, 512).value();
  const auto backend = LoadNativeBackend(model.directory, model.config, kernels).value();
  constexpr size_t kMost = 40'000;
  const auto session = backend->NewSession(kMost, 1);
  for (const size_t tokens : {100, 8192, 8193, 12'000, 17'000, 40'000}) {
    const std::vector<int32_t> ids(tokens, 1), borders{0, static_cast<int32_t>(tokens)};
    backend->Reserve({.input_ids = ids, .cu_seqlens = borders}, *session);
    EXPECT_GE(plan.workspace(kMost, tokens, 1).allocated, session->workspace_bytes()) << tokens;
  }
  EXPECT_EQ(plan.workspace(kMost, kMost, 1).allocated, session->workspace_bytes());
}

// Tables are vectors and arrays, whose sum is what `new` gives while a model is loaded, but for
// what is gone again afterwards; rotary tables and packed weights come from elsewhere.
TEST(PlannedMemory, TablesAreWhatLoadingAllocates) {
  constexpr size_t kNames = size_t{768} << 10;  // Tensors' names, configurations, jobs.
  setenv("AKIN_PACKED_CACHE_MIB", "0", 1);
  for (const std::string& folder : Folders()) {
    SCOPED_TRACE(folder);
    const Loaded model = Open(folder);
    const kernels::Kernels kernels = kernels::SelectKernels(Isa::kAuto, Precision::kF32).value();
    const BackendMemory plan =
        PlanNativeBackend(model.directory, model.config, kernels, 0).value();  // No rotary rows.
    const WatchedAllocations watched;
    const auto backend = LoadNativeBackend(model.directory, model.config, kernels).value();
    EXPECT_LE(watched.peak_bytes(), plan.table_bytes + plan.loading_bytes + kNames);
    EXPECT_GE(watched.peak_bytes() + (size_t{64} << 10), plan.table_bytes);
  }
  unsetenv("AKIN_PACKED_CACHE_MIB");
}

}  // namespace
}  // namespace akin::backends
