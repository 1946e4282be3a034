#include "engine/joined_embed.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/embedder_impl.h"

namespace akin::engine {

struct EmbedderAccess {
  static const Embedder::Impl& Of(const Embedder& embedder) { return *embedder.impl_; }

  static Result<PreparedTexts> Prepare(const Embedder::Impl& impl,
                                       std::span<const std::string_view> texts,
                                       const EmbedOptions& options) {
    AKIN_TRY(impl.CheckGives(Output::kDense));
    PreparedTexts prepared;
    AKIN_TRY_ASSIGN(prepared.shape, impl.Shape(options));
    const size_t dimension = static_cast<size_t>(impl.info().dimension);
    prepared.dimension = prepared.shape.cut.value_or(dimension);
    AKIN_TRY_ASSIGN(ReadTexts read, impl.reader().Read(texts, options, impl.computer_.pool()));
    if (!read.text_of.empty()) {
      return InvalidInput("overflow \"", OverflowName(options.overflow),
                          "\" makes windows, which are not computed together with other calls");
    }
    prepared.texts = std::move(read.sequences);
    prepared.group = reinterpret_cast<uintptr_t>(&impl);
    return prepared;
  }

  static Status Compute(const Embedder::Impl& impl, std::span<const JoinedText> joined,
                        int num_threads, MatrixView<float> vectors) {
    std::vector<TokenizedTexts::Source> sources;
    for (const JoinedText& text : joined) sources.push_back({&text.call->texts, text.text});
    const TokenizedTexts texts = TokenizedTexts::Join(sources);
    RowCollector rows(impl.computer_.network(), Output::kDense, texts);
    Wanted wanted{};
    wanted[static_cast<size_t>(Output::kDense)] = true;
    AKIN_TRY(impl.computer_.Compute(texts, wanted, num_threads, rows));
    for (size_t i = 0; i < joined.size(); ++i) {
      const std::span<const float> row = rows.rows().row(i);
      std::vector<float> vector(row.begin(), row.end());
      ShapeVectors(joined[i].call->shape, row.size(), vector);
      std::ranges::copy(vector, vectors.row(i).begin());
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
