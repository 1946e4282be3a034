// How many bytes an answer takes, before it is made: what AnswerBudget reserves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "akin/model_info.h"
#include "akin/options.h"
#include "akin/tokenizer.h"

namespace akin::server {

inline constexpr int64_t kBytesOfJsonNumber = 12;  // "-0.06217785,"
// In a message, and as it is written.
inline constexpr int64_t kBytesOfMessageNumber = 2 * sizeof(float);
// What `{"id":2054,"text":"word","special":false,"start":0,"stop":4},` takes; in a message, and as
// that is written.
inline constexpr int64_t kBytesOfToken = 64;
inline constexpr int64_t kBytesOfTokenMessage = 128;

// About how many tokens a text has; those that are to be computed are guessed by the library alike.
inline int64_t TokensOfBytes(int64_t bytes) { return bytes / 4 + 2; }

int64_t TotalBytes(const std::vector<std::string>& texts);
// What these ids are at most as a text, before it is made.
int64_t BytesOfIds(const Tokenizer& tokenizer, std::span<const int32_t> ids);

// Texts, their bytes, what is made of them, and how it is written.
struct AnswerSize {
  int64_t texts = 0, text_bytes = 0;
  std::vector<Output> outputs;
  std::optional<int> dimensions;  // Of dense vectors; unset: all.
  int64_t value_bytes = kBytesOfJsonNumber;
  int64_t returned_bytes = 0;  // Of texts that come back.
};
// Of scores of so many texts, which may come back.
AnswerSize SizeOfScores(size_t texts, int64_t returned_bytes = 0);

// Before it begins: tokens by the bytes of the texts, as many as the model reads of each.
int64_t GuessTokens(const AnswerSize& size, const ModelInfo& info);
// Of so many tokens in all texts together.
int64_t GuessBytes(const AnswerSize& size, const ModelInfo& info, int64_t tokens);

}  // namespace akin::server
