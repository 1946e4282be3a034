// Embedder = tokenizer + batching + one backend, and the threads on which they meet.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "akin/embedder.h"

#include "backends/backend.h"
#include "base/stage_clock.h"
#include "batching/batch_plan.h"
#include "engine/load_model.h"
#include "engine/session_pool.h"
#include "engine/tokenized_texts.h"
#include "engine/worker_pool.h"
#include "tokenizer/pipeline.h"

namespace akin {

class Embedder::Impl {
 public:
  explicit Impl(engine::LoadedModel loaded);

  // `clocks`: empty, or one for each thread.
  Result<Embeddings> Embed(std::span<const std::string_view> texts, const EmbedOptions& options,
                           std::span<StageClock> clocks = {}) const;
  Status Health() const;
  const ModelInfo& info() const { return info_; }
  void set_load_ms(double load_ms) { info_.load_ms = load_ms; }

 private:
  friend struct engine::EmbedderAccess;

  Result<engine::TokenizedTexts> Tokenize(std::span<const std::string_view> texts,
                                          const EmbedOptions& options) const;
  // On at most `max_threads` threads. `clocks`: as above.
  Status Compute(const engine::TokenizedTexts& texts, bool normalize, int max_threads,
                 MatrixView<float> vectors, std::span<StageClock> clocks = {}) const;
  // Throughput: every thread takes batches of its own.
  Status ComputeApart(const engine::TokenizedTexts& texts, std::span<const batching::Batch> plan,
                      const backends::EmbedParams& params, std::span<StageClock> clocks,
                      MatrixView<float> vectors) const;
  // Latency: all threads share each batch.
  Status ComputeTogether(const engine::TokenizedTexts& texts, std::span<const batching::Batch> plan,
                         const backends::EmbedParams& params, std::span<StageClock> clocks,
                         MatrixView<float> vectors) const;

  ModelInfo info_;
  std::string prompt_;  // Put in front of every text.
  std::optional<TruncationSide> truncation_side_;
  std::unique_ptr<const tokenizer::Pipeline> tokenizer_;
  std::unique_ptr<const backends::Backend> backend_;
  double flops_per_token_;
  engine::SessionPool sessions_;
  engine::WorkerPool pool_;
};

}  // namespace akin
