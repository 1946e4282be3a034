// The two halves of Embedder::Embed, for those who compute texts of many calls together.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "akin/embedder.h"
#include "akin/matrix_view.h"
#include "akin/result.h"

#include "engine/collectors.h"
#include "engine/tokenized_texts.h"

namespace akin::engine {

// The texts of one call, ready to be computed: one sequence and one vector each.
struct PreparedTexts {
  TokenizedTexts texts;
  VectorShape shape;
  size_t dimension = 0;  // Values in a vector, after what the options cut.
  // Texts may be computed together when this is equal: the same model.
  uint64_t group = 0;
};

struct JoinedText {
  const PreparedTexts* call = nullptr;
  uint32_t text = 0;  // Which one of the call's.
};

// Errors: those of Embedder::Embed that are found before anything is computed; InvalidInput for a
// kind of overflow that makes windows: such calls are computed by Embedder::Embed.
Result<PreparedTexts> Prepare(const Embedder& embedder, std::span<const std::string_view> texts,
                              const EmbedOptions& options);

// Computes the vectors of texts of one group, on at most `num_threads` of the embedder's threads.
// Vector i, of its call's dimension, goes to the front of row i of `vectors` [texts.size(),
// dimension of the model]. At least one text.
Status ComputeJoined(const Embedder& embedder, std::span<const JoinedText> texts, int num_threads,
                     MatrixView<float> vectors);

}  // namespace akin::engine
