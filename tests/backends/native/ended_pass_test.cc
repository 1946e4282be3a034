// A pass ends between two layers when nobody wants its rows any more, for the whole team; the next
// one with the same session is as any other.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "backends/native/native_backend.h"
#include "support/expect_error.h"

namespace akin::backends {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class EndedPass : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const auto directory = model::ModelDirectory::Open(AKIN_TEST_DATA "/models/bert-mean");
    ASSERT_TRUE(directory) << directory.error().message();
    const auto config = model::LoadModelConfig(*directory);
    ASSERT_TRUE(config) << config.error().message();
    const auto kernels = kernels::SelectKernels(Isa::kAuto, Precision::kF32);
    ASSERT_TRUE(kernels) << kernels.error().message();
    auto backend = LoadNativeBackend(*directory, *config, *kernels);
    ASSERT_TRUE(backend) << backend.error().message();
    backend_ = std::move(*backend);
    std::mt19937 generator(7);
    cu_seqlens_ = {0};
    for (int s = 0; s < 80; ++s) {
      for (int t = 0; t < 100; ++t)
        ids_.push_back(
            static_cast<int32_t>(generator() % static_cast<unsigned>(config->vocab_size)));
      cu_seqlens_.push_back(static_cast<int32_t>(ids_.size()));
    }
    session_ = backend_->NewSession(ids_.size(), static_cast<size_t>(GetParam()));
    const RaggedBatch batch{.input_ids = ids_, .cu_seqlens = cu_seqlens_};
    backend_->Reserve(batch, *session_);
    const auto rows = Compute(nullptr);
    ASSERT_TRUE(rows) << rows.error().message();
    expected_ = *rows;
    const auto begin = Clock::now();
    ASSERT_TRUE(Compute(nullptr));
    whole_ = Clock::now() - begin;
  }

  // All rows, or the error to the member of rank 0.
  Result<std::vector<float>> Compute(const WantedUntil* until) {
    RaggedBatch batch{.input_ids = ids_, .cu_seqlens = cu_seqlens_};
    batch.wanted_until = until;
    const int size = GetParam();
    Barrier barrier(size);
    std::optional<Result<MatrixView<const float>>> rows;
    const auto work = [&](int rank) {
      auto made =
          backend_->Compute(batch, {.rank = rank, .size = size, .barrier = &barrier}, *session_);
      if (rank == 0) rows = std::move(made);
    };
    std::vector<std::thread> others;
    for (int rank = 1; rank < size; ++rank) others.emplace_back(work, rank);
    work(0);
    for (std::thread& other : others) other.join();
    if (!*rows) return rows->error();
    std::vector<float> copy;
    for (size_t i = 0; i < (*rows)->rows(); ++i)
      copy.insert(copy.end(), (*rows)->row(i).begin(), (*rows)->row(i).end());
    return copy;
  }

  void ExpectWhole(const Result<std::vector<float>>& rows) const {
    ASSERT_TRUE(rows) << rows.error().message();
    ASSERT_EQ(rows->size(), expected_.size());
    EXPECT_EQ(std::memcmp(rows->data(), expected_.data(), expected_.size() * sizeof(float)), 0);
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Session> session_;
  std::vector<int32_t> ids_, cu_seqlens_;
  std::vector<float> expected_;
  Clock::duration whole_{};
};

TEST_P(EndedPass, AfterTheDeadlineOrWhenAllHaveLeftItIsAnError) {
  for (int round = 0; round < 3; ++round) {
    const WantedUntil late{.deadline = Clock::now()};
    ExpectError(Compute(&late), ErrorCode::kDeadlineExceeded, "while the model ran");
    ExpectWhole(Compute(nullptr));
    std::stop_source left;
    left.request_stop();
    const WantedUntil lonely{.left = left.get_token()};
    ExpectError(Compute(&lonely), ErrorCode::kCancelled, "nobody waits");
    const WantedUntil patient{.deadline = Clock::now() + 1h,
                              .left = std::stop_source().get_token()};
    ExpectWhole(Compute(&patient));
  }
}

// Who leaves after the pass has begun ends it. When that is, the machine decides: a pass that is
// over before is whole, and the next one is left earlier.
TEST_P(EndedPass, ItEndsBetweenTwoLayers) {
  int ended = 0;
  Clock::duration stays = whole_ / 2;
  for (int i = 0; i < 100 && ended < 5; ++i) {
    std::stop_source left;
    const WantedUntil until{.left = left.get_token()};
    std::atomic<bool> begun = false;
    std::thread leaver([&] {
      begun.wait(false);
      const auto leaves_at = Clock::now() + stays;
      while (Clock::now() < leaves_at) std::this_thread::yield();
      left.request_stop();
    });
    begun = true;
    begun.notify_one();
    const auto rows = Compute(&until);
    leaver.join();
    if (rows) {
      ExpectWhole(rows);
      stays /= 2;
    } else {
      ExpectError(rows, ErrorCode::kCancelled, "nobody waits");
      ++ended;
      stays += stays / 4;  // In a later layer.
    }
  }
  EXPECT_GT(ended, 0);
  ExpectWhole(Compute(nullptr));
}

INSTANTIATE_TEST_SUITE_P(Teams, EndedPass, testing::Values(1, 2, 3),
                         [](const auto& team) { return "Of" + std::to_string(team.param); });

}  // namespace
}  // namespace akin::backends
