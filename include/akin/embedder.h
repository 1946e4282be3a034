// Text in, vectors out.
//
//   AKIN_TRY_ASSIGN(auto embedder, akin::Embedder::Load("all-MiniLM-L6-v2"));
//   AKIN_TRY_ASSIGN(akin::Embeddings e, embedder.Embed({"a text", "another"}));
//   e.vectors().row(0);      // std::span<const float>, Info().dimension values
//   e.usage().total_tokens;  // exact, special tokens included
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embeddings.h"
#include "akin/matrix_view.h"
#include "akin/model_info.h"
#include "akin/options.h"
#include "akin/result.h"
#include "akin/tokenizer.h"

namespace akin {
namespace engine {
struct EmbedderAccess;
}

// A loaded model. Immutable after Load; a copy is a cheap second handle to the same model, and all
// calls may be made from many threads at once: no lock is held while a model computes.
class Embedder {
 public:
  // `model` is the path of a sentence-transformers folder, the name of a model in Akin's cache, as
  // "all-MiniLM-L6-v2", or of one on the hub, as "org/name" or "org/name@revision", which is pulled
  // if it is not in the hub's cache (akin/hub.h). On return the model is warm: the first Embed is
  // as fast as the others. Errors: ModelNotFound, InvalidModel, UnsupportedModel, InvalidInput (an
  // option).
  static Result<Embedder> Load(std::string_view model, const LoadOptions& options = {});

  // Embeds `texts` (UTF-8). An empty text is a text of special tokens only; no text at all gives no
  // vector. Errors: InvalidInput (not UTF-8, an option out of range, a model of another kind; the
  // message names the text by its index), Internal.
  Result<Embeddings> Embed(std::span<const std::string_view> texts,
                           const EmbedOptions& options = {}) const;
  Result<Embeddings> Embed(std::span<const std::string> texts,
                           const EmbedOptions& options = {}) const;
  Result<Embeddings> Embed(std::initializer_list<std::string_view> texts,
                           const EmbedOptions& options = {}) const;

  // The other things that a model can give (ModelInfo::outputs); errors are those of Embed.
  Result<SparseEmbeddings> EmbedSparse(std::span<const std::string_view> texts,
                                       const EmbedOptions& options = {}) const;
  Result<TokenEmbeddings> EmbedMultiVector(std::span<const std::string_view> texts,
                                           const EmbedOptions& options = {}) const;
  Result<TokenEmbeddings> EmbedTokens(std::span<const std::string_view> texts,
                                      const EmbedOptions& options = {}) const;
  // Several of them from one pass over the texts: BGE-M3's dense, sparse and multi-vector.
  Result<AllEmbeddings> EmbedAll(std::span<const std::string_view> texts,
                                 std::span<const Output> outputs,
                                 const EmbedOptions& options = {}) const;

  // Scores by ModelInfo::labels, of texts or of pairs of texts.
  Result<Scores> Classify(std::span<const std::string_view> texts,
                          const ScoreOptions& options = {}) const;
  Result<Scores> ScorePairs(std::span<const TextPair> pairs,
                            const ScoreOptions& options = {}) const;
  // How well each document answers the query: one score each, in the order of `documents`. By a
  // reranker, or by MaxSim with a multi-vector model.
  Result<Scores> Rerank(std::string_view query, std::span<const std::string_view> documents,
                        const ScoreOptions& options = {}) const;

  const ModelInfo& Info() const;

  // The model's own.
  const Tokenizer& tokenizer() const;

  // Embeds one tiny text end to end and checks the result.
  Status Health() const;

 private:
  friend struct engine::EmbedderAccess;
  class Impl;
  explicit Embedder(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace akin
