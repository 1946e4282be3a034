#include "server/answer_size.h"

#include <algorithm>

namespace akin::server {

int64_t TotalBytes(const std::vector<std::string>& texts) {
  int64_t bytes = 0;
  for (const std::string& text : texts) bytes += static_cast<int64_t>(text.size());
  return bytes;
}

int64_t BytesOfIds(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  int64_t bytes = 0;
  // A space behind each.
  for (const int32_t id : ids)
    bytes += static_cast<int64_t>(tokenizer.IdToToken(id).value_or("").size()) + 1;
  return bytes;
}

AnswerSize SizeOfScores(size_t texts, int64_t returned_bytes) {
  return {.texts = static_cast<int64_t>(texts),
          .outputs = {Output::kScores},
          .returned_bytes = returned_bytes};
}

int64_t GuessTokens(const AnswerSize& size, const ModelInfo& info) {
  return std::min(TokensOfBytes(size.text_bytes) + 2 * size.texts,
                  size.texts * std::max<int64_t>(info.max_tokens, 1));
}

int64_t GuessBytes(const AnswerSize& size, const ModelInfo& info, int64_t tokens) {
  // `{"score":0.99999994,"label":"..."},`, `{"object":"embedding","index":7,...},` and the like; of
  // a sparse vector a few hundred entries.
  constexpr int64_t kBytesOfObject = 64, kBytesOfSparseVector = int64_t{8} << 10;
  const int64_t dimension =
      std::min<int64_t>(size.dimensions.value_or(info.dimension), info.dimension);
  int64_t bytes = size.texts * kBytesOfObject + size.returned_bytes;
  for (const Output output : size.outputs) {
    switch (output) {
      case Output::kDense: bytes += size.texts * dimension * size.value_bytes; break;
      case Output::kTokens: bytes += tokens * info.dimension * size.value_bytes; break;
      case Output::kMultiVector: bytes += tokens * info.token_dimension * size.value_bytes; break;
      case Output::kSparse: bytes += size.texts * kBytesOfSparseVector; break;
      case Output::kScores:
        bytes += size.texts * static_cast<int64_t>(info.labels.size()) * kBytesOfObject;
        break;
    }
  }
  return bytes;
}

}  // namespace akin::server
