// Embedder = reader of texts + network, and the threads on which they meet.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "akin/embedder.h"
#include "akin/tokenizer.h"

#include "engine/collectors.h"
#include "engine/computer.h"
#include "engine/load_model.h"
#include "engine/text_reader.h"
#include "tokenizer/pipeline.h"

namespace akin {

class Embedder::Impl {
 public:
  explicit Impl(engine::LoadedModel loaded);

  Result<Embeddings> Embed(std::span<const std::string_view> texts,
                           const EmbedOptions& options) const;
  Result<AllEmbeddings> EmbedAll(std::span<const std::string_view> texts,
                                 std::span<const Output> outputs,
                                 const EmbedOptions& options) const;
  Result<Scores> Classify(std::span<const std::string_view> texts,
                          const ScoreOptions& options) const;
  Result<Scores> ScorePairs(std::span<const TextPair> pairs, const ScoreOptions& options) const;
  Result<Scores> Rerank(std::string_view query, std::span<const std::string_view> documents,
                        const ScoreOptions& options) const;
  Status Health() const;
  const ModelInfo& info() const { return info_; }
  const Tokenizer& tokenizer() const { return public_tokenizer_; }
  void set_load_ms(double load_ms) { info_.load_ms = load_ms; }

 private:
  friend struct engine::EmbedderAccess;

  engine::TextReader reader() const { return {*tokenizer_, info_, settings_}; }
  // Error: InvalidInput, saying what the model gives, or why it does not give this.
  Status CheckGives(Output output) const;
  Result<engine::VectorShape> Shape(const EmbedOptions& options) const;
  Result<Embeddings> FinishDense(const engine::ReadTexts& read, engine::RowCollector& rows,
                                 const EmbedOptions& options, TextReport report) const;
  Result<Scores> Score(const engine::ReadTexts& read, const ScoreOptions& options,
                       Usage usage) const;
  Result<Scores> RerankByMaxSim(std::string_view query, std::span<const std::string_view> documents,
                                const ScoreOptions& options) const;
  std::vector<int32_t> LeftOutTokens(const EmbedOptions& options) const;
  std::vector<bool> SpecialTokens() const;

  ModelInfo info_;
  engine::ReaderSettings settings_;
  ScoreActivation score_activation_;
  bool skip_first_vector_;  // Of multi-vector outputs.
  std::vector<std::pair<Output, std::string>> unreadable_;
  std::shared_ptr<const tokenizer::Pipeline> tokenizer_;
  Tokenizer public_tokenizer_;
  engine::Computer computer_;
};

}  // namespace akin
