#pragma once

#include <span>

#include "akin/embeddings.h"
#include "akin/options.h"

#include "engine/text_reader.h"

namespace akin::engine {

// Logits -> scores, in place. `activation` is not kModel.
void ApplyActivation(ScoreActivation activation, std::span<float> logits);

// What a result says of its texts.
TextReport MakeReport(const ReadTexts& read, Usage usage, bool with_ids);

}  // namespace akin::engine
