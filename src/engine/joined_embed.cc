#include "engine/joined_embed.h"

#include <vector>

#include "engine/embedder_impl.h"

namespace akin::engine {

struct EmbedderAccess {
  static const Embedder::Impl& Of(const Embedder& embedder) { return *embedder.impl_; }

  static Result<PreparedTexts> Prepare(const Embedder::Impl& impl,
                                       std::span<const std::string_view> texts,
                                       const EmbedOptions& options) {
    PreparedTexts prepared;
    AKIN_TRY_ASSIGN(prepared.texts, impl.Tokenize(texts, options));
    prepared.normalize = options.normalize.value_or(impl.info().normalize);
    // An address of something larger than a byte has a bit to spare.
    prepared.group = reinterpret_cast<uintptr_t>(&impl) | (prepared.normalize ? 1u : 0u);
    return prepared;
  }

  static Status Compute(const Embedder::Impl& impl, std::span<const JoinedText> joined,
                        int num_threads, MatrixView<float> vectors) {
    std::vector<TokenizedTexts::Source> sources;
    for (const JoinedText& text : joined) sources.push_back({&text.call->texts, text.text});
    return impl.Compute(TokenizedTexts::Join(sources), joined[0].call->normalize, num_threads,
                        vectors);
  }
};

Result<PreparedTexts> Prepare(const Embedder& embedder, std::span<const std::string_view> texts,
                              const EmbedOptions& options) {
  return EmbedderAccess::Prepare(EmbedderAccess::Of(embedder), texts, options);
}

Status ComputeJoined(const Embedder& embedder, std::span<const JoinedText> texts, int num_threads,
                     MatrixView<float> vectors) {
  return EmbedderAccess::Compute(EmbedderAccess::Of(embedder), texts, num_threads, vectors);
}

}  // namespace akin::engine
