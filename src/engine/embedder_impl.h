// Embedder = tokenizer + batching + one network, and the threads on which they meet.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "akin/embedder.h"

#include "batching/batch_plan.h"
#include "engine/load_model.h"
#include "engine/network.h"
#include "engine/session_pool.h"
#include "engine/tokenized_texts.h"
#include "engine/worker_pool.h"
#include "tokenizer/pipeline.h"

namespace akin {

class Embedder::Impl {
 public:
  explicit Impl(engine::LoadedModel loaded);

  Result<Embeddings> Embed(std::span<const std::string_view> texts,
                           const EmbedOptions& options) const;
  Status Health() const;
  const ModelInfo& info() const { return info_; }
  void set_load_ms(double load_ms) { info_.load_ms = load_ms; }

 private:
  friend struct engine::EmbedderAccess;

  Result<engine::TokenizedTexts> Tokenize(std::span<const std::string_view> texts,
                                          const EmbedOptions& options) const;
  // Computes `vectors`, not normalized, on at most `max_threads` threads.
  Status Compute(const engine::TokenizedTexts& texts, int max_threads,
                 MatrixView<float> vectors) const;
  // How many of a text's first tokens take no part in its vector, when `prompt` is put in front.
  Result<int32_t> ExcludedTokens(std::string_view prompt) const;
  // What is computed together.
  std::vector<batching::Batch> PlanFor(const engine::TokenizedTexts& texts,
                                       size_t num_workers) const;
  // Throughput: every thread takes batches of its own.
  Status ComputeApart(const engine::TokenizedTexts& texts, std::span<const batching::Batch> plan,
                      MatrixView<float> vectors) const;
  // Latency: all threads share each batch.
  Status ComputeTogether(const engine::TokenizedTexts& texts, std::span<const batching::Batch> plan,
                         MatrixView<float> vectors) const;

  ModelInfo info_;
  std::string prompt_;  // Put in front of every text.
  std::optional<TruncationSide> truncation_side_;
  std::unique_ptr<const tokenizer::Pipeline> tokenizer_;
  engine::Network network_;
  engine::SessionPool sessions_;
  engine::WorkerPool pool_;
};

}  // namespace akin
