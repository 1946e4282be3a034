// Once a workspace is there, a batch allocates nothing, whatever its shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/native/native_backend.h"
#include "base/strings.h"
#include "base/team.h"
#include "base/wanted_until.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/model_directory.h"
#include "support/allocations.h"

namespace akin {
namespace {

constexpr size_t kMaxTokens = 256;

struct Batch {
  std::vector<int32_t> ids, types, cu_seqlens{0};
  RaggedBatch view() const { return {ids, types, cu_seqlens}; }
};

// Sequences of any length up to `longest`, of kMaxTokens tokens at most.
Batch RandomBatch(std::mt19937& generator, size_t longest, int vocab_size) {
  Batch batch;
  for (size_t room = kMaxTokens; room > 0;) {
    const size_t length = std::min(room, 1 + generator() % longest);
    for (size_t i = 0; i < length; ++i)
      batch.ids.push_back(static_cast<int32_t>(generator() % static_cast<unsigned>(vocab_size)));
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.ids.size()));
    room -= length;
    if (generator() % 8 == 0) break;
  }
  batch.types.assign(batch.ids.size(), 0);
  return batch;
}

struct Setting {
  Isa isa;
  Precision precision;
  std::string model;
};

std::vector<Setting> Settings() {
  std::vector<Setting> all;
  for (const IsaStatus& status : kernels::ListIsas()) {
    if (!status.usable) continue;
    for (const Precision precision : kernels::kPrecisions) {
      // The reference's loops for rotated rows take what memory they like.
      const bool rotated = precision == Precision::kInt16 || precision == Precision::kW8 ||
                           precision == Precision::kInt8;
      if (status.isa == Isa::kScalar && rotated) continue;
      all.push_back({status.isa, precision, "bert-mean"});
    }
  }
  return all;
}

class SteadyState : public testing::TestWithParam<Setting> {};

TEST_P(SteadyState, ABatchAllocatesNothing) {
  const auto directory =
      model::ModelDirectory::Open(std::string(AKIN_TEST_DATA) + "/models/" + GetParam().model)
          .value();
  const model::ModelConfig config = model::LoadModelConfig(directory).value();
  const kernels::Kernels kernels =
      kernels::SelectKernels(GetParam().isa, GetParam().precision).value();
  const auto backend = backends::LoadNativeBackend(directory, config, kernels).value();
  const auto session = backend->NewSession(kMaxTokens, 1);
  const auto longest = static_cast<size_t>(backend->Info().max_positions);

  std::mt19937 generator(1);
  std::vector<Batch> batches;
  for (int i = 0; i < 30; ++i)
    batches.push_back(RandomBatch(generator, longest, config.vocab_size));
  Batch whole;  // The longest sequence there can be comes first, as in any program at some time.
  whole.ids.assign(std::min(longest, kMaxTokens), 1);
  whole.types.assign(whole.ids.size(), 0);
  whole.cu_seqlens.push_back(static_cast<int32_t>(whole.ids.size()));
  ASSERT_TRUE(backend->Compute(whole.view(), TeamMember{}, *session));

  const WatchedAllocations watched;
  for (const Batch& batch : batches) {
    const auto rows = backend->Compute(batch.view(), TeamMember{}, *session);
    ASSERT_TRUE(rows);
  }
  EXPECT_EQ(watched.count(), 0u);
}

// The member of rank 0 finds no memory for the error that says why a pass ends. Nobody is left at a
// barrier.
TEST(EndedPassWithoutMemory, IsAnErrorToTheWholeTeam) {
  const auto directory =
      model::ModelDirectory::Open(std::string(AKIN_TEST_DATA) + "/models/bert-mean").value();
  const model::ModelConfig config = model::LoadModelConfig(directory).value();
  const kernels::Kernels kernels = kernels::SelectKernels(Isa::kAuto, Precision::kF32).value();
  const auto backend = backends::LoadNativeBackend(directory, config, kernels).value();
  for (const int size : {1, 2, 3}) {
    const auto session = backend->NewSession(kMaxTokens, static_cast<size_t>(size));
    std::mt19937 generator(1);
    const Batch batch = RandomBatch(generator, 20, config.vocab_size);
    const WantedUntil until{.deadline = std::chrono::steady_clock::now()};
    RaggedBatch view = batch.view();
    view.wanted_until = &until;
    Barrier barrier(size), begin(size + 1), end(size + 1);
    std::atomic<int> thrown = 0;
    std::optional<Result<MatrixView<const float>>> first;
    std::vector<std::thread> team;
    for (int rank = 0; rank < size; ++rank) {
      team.emplace_back([&, rank] {
        begin.Wait();
        try {
          auto rows =
              backend->Compute(view, {.rank = rank, .size = size, .barrier = &barrier}, *session);
          if (rank == 0) first = std::move(rows);
        } catch (const std::bad_alloc&) {
          ++thrown;  // Where the team has not met, this test does not end.
        }
        end.Wait();
      });
    }
    {
      const WatchedAllocations none({.at = 1, .and_all_after = true});
      begin.Wait();
      end.Wait();
    }
    for (std::thread& thread : team) thread.join();
    EXPECT_EQ(thrown, 0);
    ASSERT_TRUE(first.has_value() && !*first);
    EXPECT_EQ(first->error().code(), OutOfMemory().code());
  }
}

std::string SettingName(const testing::TestParamInfo<Setting>& info) {
  std::string name =
      std::string(IsaName(info.param.isa)) + '_' + std::string(PrecisionName(info.param.precision));
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Tiers, SteadyState, testing::ValuesIn(Settings()), SettingName);

}  // namespace
}  // namespace akin
