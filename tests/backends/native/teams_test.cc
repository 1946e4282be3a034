// The rows of a batch on teams of every size, whichever way they divide it: the bits of one thread.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "backends/native/native_backend.h"
#include "base/floating_point.h"
#include "base/strings.h"
#include "kernels/tiers.h"

namespace akin::backends {
namespace {

struct Case {
  const char* folder;
  Isa isa;
  Precision precision;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.folder << ' ' << IsaName(c.isa) << ' ' << PrecisionName(c.precision);
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const char* folder :
       {"shared/albert", "shared/deberta-v2", "shared/distilbert", "shared/gemma2",
        "shared/gpt-neox", "shared/gte-hub", "shared/jina-bert-v2", "shared/modernbert",
        "shared/mpnet", "shared/nomic-bert", "shared/qwen3", "shared/t5-gated",
        "variants/albert-groups", "variants/deberta-conv", "variants/neox-serial"}) {
    for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8})
      cases.push_back({folder, Isa::kAuto, precision});
  }
  // Ways of every tier: norms before and after, positions that turn, a bias of distances, gates.
  for (const char* folder : {"shared/distilbert", "shared/mpnet", "shared/qwen3"}) {
    for (const kernels::TierPrecision& tier : kernels::UsableTierPrecisions())
      cases.push_back({folder, tier.isa, tier.precision});
  }
  return cases;
}

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  std::string name = StrCat(IsaName(info.param.isa), '_', info.param.folder, '_',
                            PrecisionName(info.param.precision));
  std::ranges::replace_if(name, [](char c) { return c == '-' || c == '/'; }, '_');
  return name;
}

// Tokens of any kind, in sequences of these lengths.
struct Tokens {
  Tokens(const std::vector<int>& lengths, int vocab_size) : cu_seqlens{0} {
    std::mt19937 generator(7);
    for (const int length : lengths) cu_seqlens.push_back(cu_seqlens.back() + length);
    for (int i = 0; i < cu_seqlens.back(); ++i)
      ids.push_back(static_cast<int32_t>(generator() % static_cast<unsigned>(vocab_size)));
  }
  std::vector<int32_t> ids, cu_seqlens;
};

class EveryTeam : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const std::string path = std::string(AKIN_GOLDEN_MODELS) + '/' + GetParam().folder;
    auto directory = model::ModelDirectory::Open(path);
    ASSERT_TRUE(directory) << directory.error().message();
    auto config = model::LoadModelConfig(*directory);
    ASSERT_TRUE(config) << config.error().message();
    vocab_size_ = config->vocab_size;
    const auto kernels = kernels::SelectKernels(GetParam().isa, GetParam().precision);
    ASSERT_TRUE(kernels) << kernels.error().message();
    auto backend = LoadNativeBackend(*directory, *config, *kernels);
    ASSERT_TRUE(backend) << backend.error().message();
    backend_ = std::move(*backend);
  }

  // The rows of `batch`, [num_tokens, width].
  std::vector<float> Compute(const RaggedBatch& batch, int team_size) const {
    const auto session = backend_->NewSession(batch.num_tokens(), static_cast<size_t>(team_size));
    backend_->Reserve(batch, *session);
    Barrier barrier(team_size);
    MatrixView<const float> rows;
    const auto work = [&](int rank) {
      const ScopedFlushDenormals flush_denormals;
      const TeamMember member{.rank = rank, .size = team_size, .barrier = &barrier};
      const auto states = backend_->Compute(batch, member, *session);
      ASSERT_TRUE(states) << states.error().message();
      if (rank == 0) rows = *states;
    };
    std::vector<std::thread> others;
    for (int rank = 1; rank < team_size; ++rank) others.emplace_back(work, rank);
    work(0);
    for (std::thread& other : others) other.join();
    std::vector<float> copy;
    for (size_t i = 0; i < rows.rows(); ++i)
      copy.insert(copy.end(), rows.row(i).begin(), rows.row(i).end());
    return copy;
  }

  int vocab_size_ = 0;
  std::unique_ptr<Backend> backend_;
};

TEST_P(EveryTeam, HasTheBitsOfOneThread) {
  // Too few rows to divide them among the members; enough; and a row that fits none of them.
  for (const std::vector<int>& lengths :
       {std::vector<int>{1, 5, 13}, std::vector<int>{40, 1, 17, 55, 3, 44}, std::vector<int>{59},
        std::vector<int>{60, 60, 60, 7}}) {
    const Tokens tokens(lengths, vocab_size_);
    RaggedBatch batch{.input_ids = tokens.ids, .cu_seqlens = tokens.cu_seqlens};
    const std::vector<float> alone = Compute(batch, 1);
    ASSERT_FALSE(alone.empty());
    const size_t width = alone.size() / tokens.ids.size();
    for (const int team_size : {2, 3, 4}) {
      SCOPED_TRACE(testing::Message() << tokens.ids.size() << " tokens, team of " << team_size);
      batch.only_first_rows = false;
      const std::vector<float> rows = Compute(batch, team_size);
      ASSERT_EQ(rows.size(), alone.size());
      EXPECT_EQ(std::memcmp(rows.data(), alone.data(), rows.size() * sizeof(float)), 0);
    }
    for (const int team_size : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message()
                   << "first rows of " << tokens.ids.size() << " tokens, team of " << team_size);
      batch.only_first_rows = true;
      const std::vector<float> rows = Compute(batch, team_size);
      ASSERT_EQ(rows.size(), alone.size());
      for (size_t s = 0; s < lengths.size(); ++s) {
        const size_t first = batch.begin(s) * width;
        EXPECT_EQ(std::memcmp(&rows[first], &alone[first], width * sizeof(float)), 0)
            << "sequence " << s;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, EveryTeam, testing::ValuesIn(Cases()), CaseName);

}  // namespace
}  // namespace akin::backends
