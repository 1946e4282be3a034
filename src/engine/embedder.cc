#include "akin/embedder.h"

#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include "akin/system.h"

#include "backends/native/native_backend.h"
#include "base/door.h"
#include "base/thread_count.h"
#include "engine/embedder_impl.h"
#include "engine/load_model.h"

namespace akin {

Result<Embedder> Embedder::Load(std::string_view model, const LoadOptions& options) {
  return AtTheDoor("cannot load the model", model, [&]() -> Result<Embedder> {
    const auto start = std::chrono::steady_clock::now();
    AKIN_TRY_ASSIGN(engine::LoadedRoutes loaded, engine::LoadModel(model, options));
    const auto impl = Impl::Make(std::move(loaded));
    AKIN_TRY(impl->Health());  // The first text also warms caches, pages and threads up.
    impl->set_load_ms(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
    return Embedder(impl);
  });
}

Result<Embeddings> Embedder::Embed(std::span<const std::string_view> texts,
                                   const EmbedOptions& options) const {
  return AtTheDoor("cannot embed", {}, [&] { return impl_->Embed(texts, options); });
}

Result<Embeddings> Embedder::Embed(std::span<const std::string> texts,
                                   const EmbedOptions& options) const {
  return AtTheDoor("cannot embed", {}, [&] {
    return impl_->Embed(std::vector<std::string_view>(texts.begin(), texts.end()), options);
  });
}

Result<Embeddings> Embedder::Embed(std::initializer_list<std::string_view> texts,
                                   const EmbedOptions& options) const {
  return AtTheDoor("cannot embed", {},
                   [&] { return impl_->Embed({texts.begin(), texts.size()}, options); });
}

Result<AllEmbeddings> Embedder::EmbedAll(std::span<const std::string_view> texts,
                                         std::span<const Output> outputs,
                                         const EmbedOptions& options) const {
  return AtTheDoor("cannot embed", {}, [&] { return impl_->EmbedAll(texts, outputs, options); });
}

Result<SparseEmbeddings> Embedder::EmbedSparse(std::span<const std::string_view> texts,
                                               const EmbedOptions& options) const {
  AKIN_TRY_ASSIGN(AllEmbeddings all, EmbedAll(texts, std::array{Output::kSparse}, options));
  return std::move(all.sparse);
}

Result<TokenEmbeddings> Embedder::EmbedMultiVector(std::span<const std::string_view> texts,
                                                   const EmbedOptions& options) const {
  AKIN_TRY_ASSIGN(AllEmbeddings all, EmbedAll(texts, std::array{Output::kMultiVector}, options));
  return std::move(all.multi_vector);
}

Result<TokenEmbeddings> Embedder::EmbedTokens(std::span<const std::string_view> texts,
                                              const EmbedOptions& options) const {
  AKIN_TRY_ASSIGN(AllEmbeddings all, EmbedAll(texts, std::array{Output::kTokens}, options));
  return std::move(all.tokens);
}

Result<Scores> Embedder::Classify(std::span<const std::string_view> texts,
                                  const ScoreOptions& options) const {
  return AtTheDoor("cannot classify", {}, [&] { return impl_->Classify(texts, options); });
}

Result<Scores> Embedder::ScorePairs(std::span<const TextPair> pairs,
                                    const ScoreOptions& options) const {
  return AtTheDoor("cannot score", {}, [&] { return impl_->ScorePairs(pairs, options); });
}

Result<Scores> Embedder::Rerank(std::string_view query, std::span<const std::string_view> documents,
                                const ScoreOptions& options) const {
  return AtTheDoor("cannot rerank", {}, [&] { return impl_->Rerank(query, documents, options); });
}

const Tokenizer& Embedder::tokenizer() const { return impl_->tokenizer(); }

const ModelInfo& Embedder::Info() const { return impl_->info(); }

Status Embedder::Health() const {
  return AtTheDoor("cannot embed", {}, [&] { return impl_->Health(); });
}

}  // namespace akin
