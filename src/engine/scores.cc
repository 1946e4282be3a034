#include "engine/scores.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace akin::engine {

void ApplyActivation(ScoreActivation activation, std::span<float> logits) {
  if (activation == ScoreActivation::kSigmoid) {
    for (float& x : logits) x = 1.0f / (1.0f + std::exp(-x));
  } else if (activation == ScoreActivation::kSoftmax && !logits.empty()) {
    const float largest = *std::ranges::max_element(logits);
    float sum = 0.0f;
    for (float& x : logits) sum += x = std::exp(x - largest);
    for (float& x : logits) x /= sum;
  }
}

TextReport MakeReport(const ReadTexts& read, Usage usage, bool with_ids) {
  std::vector<int32_t> num_tokens(read.num_texts), truncated(read.num_texts);
  std::vector<std::vector<int32_t>> ids(with_ids ? read.num_texts : 0);
  for (size_t i = 0; i < read.sequences.size(); ++i) {
    const size_t text = read.text_of.empty() ? i : read.text_of[i];
    const int32_t cut = read.sequences.truncated()[i];
    usage.total_tokens += read.sequences.lengths()[i];
    usage.truncated_texts += cut > 0 ? 1 : 0;
    usage.truncated_tokens += cut;
    if (text >= read.num_texts) continue;  // A query behind its documents.
    num_tokens[text] += read.sequences.lengths()[i];
    truncated[text] += cut;
    if (!with_ids) continue;
    const auto from = read.sequences.input_ids(i);
    ids[text].insert(ids[text].end(), from.begin(), from.end());
  }
  return TextReport(std::move(num_tokens), std::move(truncated), usage, std::move(ids));
}

}  // namespace akin::engine
