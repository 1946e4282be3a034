#include "engine/computer.h"

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace akin::engine {
namespace {

// Of a pass: how many threads computed how many tokens.
struct Pass {
  int team_size = 0;
  size_t num_tokens = 0;
  bool operator==(const Pass&) const = default;
};

// Records its passes; the vector of a sequence is its length.
class RecordingBackend : public backends::Backend {
 public:
  struct RowSession : backends::Session {
    std::vector<float> rows;
  };

  RecordingBackend(bool divides_batches, std::vector<Pass>& passes)
      : divides_batches_(divides_batches), passes_(passes) {}
  backends::BackendInfo Info() const override {
    return {.rows = backends::RowKind::kVectors,
            .width = 1,
            .max_positions = 512,
            .divides_batches = divides_batches_,
            .flops_per_token = 1e9};
  }
  std::unique_ptr<backends::Session> NewSession(size_t, size_t) const override {
    return std::make_unique<RowSession>();
  }
  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          backends::Session& session) const override {
    if (member.rank != 0) return MatrixView<const float>();
    std::vector<float>& rows = static_cast<RowSession&>(session).rows;
    rows.clear();
    for (size_t i = 0; i < batch.num_sequences(); ++i)
      rows.push_back(static_cast<float>(batch.length(i)));
    const std::lock_guard lock(mutex_);
    passes_.push_back({member.size, batch.num_tokens()});
    return MatrixView<const float>(rows.data(), rows.size(), 1);
  }

 private:
  const bool divides_batches_;
  mutable std::mutex mutex_;
  std::vector<Pass>& passes_;  // Guarded by mutex_.
};

struct Lengths : RowSink {
  explicit Lengths(size_t size) : of(size, 0.0f) {}
  Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) override {
    of[sequence] = slot.rows[static_cast<size_t>(Output::kDense)][place];
    return {};
  }
  std::vector<float> of;
};

// The passes in which three threads compute sequences of these lengths, batches of 100 tokens.
std::vector<Pass> Compute(bool divides_batches, const std::vector<size_t>& lengths) {
  std::vector<Pass> passes;
  const kernels::Kernels kernels = kernels::ScalarKernels(Precision::kF32);
  Network::Chains chains;
  chains[static_cast<size_t>(Output::kDense)] =
      pooling::Chain::Make({}, {.width = 1, .per_token = false}, {kernels, kernels}).value();
  const Computer computer(
      Network("recording", std::make_unique<RecordingBackend>(divides_batches, passes),
              std::move(chains)),
      {.num_threads = 3, .batch_tokens = 100, .max_positions = 512, .worker_cpus = {}});
  TokenizedTexts texts;
  const std::vector<int32_t> ids(512, 1), types(512, 0);
  for (const size_t length : lengths) {
    texts.Append({.input_ids = std::span(ids).first(length),
                  .token_type_ids = std::span(types).first(length),
                  .segments = {},
                  .text = {}});
  }
  Wanted wanted{};
  wanted[static_cast<size_t>(Output::kDense)] = true;
  Lengths found(lengths.size());
  EXPECT_TRUE(computer.Compute(texts, wanted, {.max_threads = 3}, found));
  for (size_t i = 0; i < lengths.size(); ++i)
    EXPECT_EQ(found.of[i], static_cast<float>(lengths[i])) << i;
  return passes;
}

TEST(Computer, ATeamComputesWhatIsLeftOverAndEachThreadAsMuchOfTheRest) {
  const std::vector<Pass> passes = Compute(true, {80, 81, 82, 90});
  ASSERT_EQ(passes.size(), 4u);
  EXPECT_EQ(passes[0], (Pass{3, 90}));
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(passes[i].team_size, 1) << i;
}

TEST(Computer, ABackendThatDoesNotDivideBatchesGetsEachFromOneThread) {
  for (const std::vector<size_t>& lengths :
       {std::vector<size_t>{90}, std::vector<size_t>{80, 81, 82, 90}}) {
    const std::vector<Pass> passes = Compute(false, lengths);
    ASSERT_EQ(passes.size(), lengths.size());
    for (const Pass& pass : passes) EXPECT_EQ(pass.team_size, 1);
  }
}

}  // namespace
}  // namespace akin::engine
