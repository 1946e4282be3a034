#include "engine/joined_embed.h"

#include <vector>

#include "base/floating_point.h"
#include "engine/embedder_impl.h"
#include "pooling/pooling.h"

namespace akin::engine {

struct EmbedderAccess {
  static const Embedder::Impl& Of(const Embedder& embedder) { return *embedder.impl_; }

  static Result<PreparedTexts> Prepare(const Embedder::Impl& impl,
                                       std::span<const std::string_view> texts,
                                       const EmbedOptions& options) {
    PreparedTexts prepared;
    AKIN_TRY_ASSIGN(prepared.texts, impl.Tokenize(texts, options));
    prepared.normalize = options.normalize.value_or(impl.info().normalize);
    prepared.group = reinterpret_cast<uintptr_t>(&impl);
    return prepared;
  }

  static Status Compute(const Embedder::Impl& impl, std::span<const JoinedText> joined,
                        int num_threads, MatrixView<float> vectors) {
    std::vector<TokenizedTexts::Source> sources;
    for (const JoinedText& text : joined) sources.push_back({&text.call->texts, text.text});
    AKIN_TRY(impl.Compute(TokenizedTexts::Join(sources), num_threads, vectors));
    const ScopedFlushDenormals as_the_workers;
    for (size_t i = 0; i < joined.size(); ++i) {
      if (joined[i].call->normalize) pooling::Normalize(vectors.row(i));
    }
    return {};
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
