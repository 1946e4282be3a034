// Embedder = reader of texts + network, and the threads on which they meet.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/embedder.h"
#include "akin/tokenizer.h"

#include "base/thread_count.h"
#include "engine/call.h"
#include "engine/collectors.h"
#include "engine/computer.h"
#include "engine/load_model.h"
#include "engine/text_reader.h"
#include "tokenizer/pipeline.h"

namespace akin {

class Embedder::Impl {
 public:
  // Of a model with a Router, that of the default route, which knows the others.
  static std::shared_ptr<Impl> Make(engine::LoadedRoutes loaded);
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
  // Of the default route: that another one is asked for shows when a request is read.
  void Rouse(size_t num_tokens, int num_threads) const { computer_.Rouse(num_tokens, num_threads); }
  const ModelInfo& info() const { return info_; }
  const Tokenizer& tokenizer() const { return public_tokenizer_; }
  void set_load_ms(double load_ms) { info_.load_ms = load_ms; }

 private:
  friend struct engine::EmbedderAccess;

  // The first step of each kind of call; errors are those that are found before anything is
  // computed.
  Result<std::unique_ptr<engine::EmbedCall>> ReadEmbed(std::span<const std::string_view> texts,
                                                       std::span<const Output> outputs,
                                                       const EmbedOptions& options) const;
  Result<std::unique_ptr<engine::ScoreCall>> ReadScored(std::span<const engine::ScoredText> texts,
                                                        const ScoreOptions& options) const;
  Result<std::unique_ptr<engine::ScoreCall>> ReadRerank(std::string_view query,
                                                        std::span<const std::string_view> documents,
                                                        const ScoreOptions& options) const;
  // Documents are read by this route, the query by `of_query`, which may be another one.
  Result<std::unique_ptr<engine::ScoreCall>> ReadMaxSim(std::string_view query,
                                                        std::span<const std::string_view> documents,
                                                        const ScoreOptions& options,
                                                        const Impl& of_query) const;
  // Texts that a multi-vector call compares, as this route reads them.
  Result<engine::MaxSimCall::Side> ReadSide(std::span<const std::string_view> texts,
                                            const EmbedOptions& options) const;
  // As ReadEmbed, of this route.
  Result<std::unique_ptr<engine::EmbedCall>> ReadHere(std::span<const std::string_view> texts,
                                                      std::span<const Output> outputs,
                                                      const EmbedOptions& options) const;
  // All three steps, alone.
  template <typename ReadCall>
  static auto Run(ReadCall read_call);

  // The model that the options choose; this one, where there is no Router. Error: InvalidInput (no
  // route is chosen and there is no default).
  Result<const Impl*> RouteOf(const EmbedOptions& options) const;
  engine::TextReader reader() const { return {*tokenizer_, info_, settings_}; }
  // Error: InvalidInput, saying what the model gives, or why it does not give this.
  Status CheckGives(Output output) const;
  Status CheckOutputs(std::span<const Output> outputs, const EmbedOptions& options) const;
  // How dense vectors, and those of tokens, leave.
  Result<engine::VectorShape> Shape(const EmbedOptions& options) const;
  Result<engine::VectorShape> TokenShape(Output output, const EmbedOptions& options) const;
  // What the options cut, of vectors of `dimension` values. Error: InvalidInput.
  Status Cut(const EmbedOptions& options, int dimension, engine::VectorShape& shape) const;
  std::vector<int32_t> LeftOutTokens(const EmbedOptions& options) const;
  std::vector<bool> SpecialTokens() const;

  std::vector<std::shared_ptr<const Impl>> routes_;  // The others of a model with a Router.
  // The route of each task, this one where there is a null pointer; empty: there is no Router.
  std::vector<std::pair<std::string, std::shared_ptr<const Impl>>> tasks_;
  bool has_default_route_ = true;
  ModelInfo info_;
  engine::ReaderSettings settings_;
  ScoreActivation score_activation_;
  bool skip_first_vector_;  // Of multi-vector outputs.
  int full_dimension_;      // Of which info_.dimension are given where a call says nothing,
  bool normalize_;          // and whether they have length 1 before they are cut.
  std::optional<int> top_k_;
  std::vector<std::pair<Output, std::string>> unreadable_;
  std::shared_ptr<const tokenizer::Pipeline> tokenizer_;
  Tokenizer public_tokenizer_;
  engine::Computer computer_;
};

}  // namespace akin
