// The "truncation" of tokenizer.json, and cutting the tokens of a text or a pair.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "akin/result.h"
#include "akin/tokenizer.h"

#include "formats/json.h"

namespace akin::tokenizer {

// `json` is the "truncation" of the file or nothing; `num_special_tokens` are added to every text.
// Error: InvalidModel, also for a limit that cannot be met.
Result<std::optional<Truncation>> ReadTruncation(const std::optional<formats::JsonValue>& json,
                                                 int num_special_tokens);

// The same for a truncation that the caller gives. Error: InvalidInput.
Status CheckTruncation(const Truncation& truncation, int num_special_tokens);

// How many tokens of a text, or of each of a pair, are kept.
struct KeptLengths {
  size_t first, second;
};

// `second` is the length of the second text, if there is one; `max_length` is without special
// tokens. Error: InvalidInput, when the strategy cannot reach max_length.
Result<KeptLengths> Truncate(size_t first, std::optional<size_t> second, size_t max_length,
                             TruncationStrategy strategy);

// Tokens [begin, end) of a text.
struct TokenRange {
  size_t begin, end;
  size_t size() const { return end - begin; }
  friend bool operator==(const TokenRange&, const TokenRange&) = default;
};

// The part of `num_tokens` tokens that is kept.
TokenRange KeptPart(size_t num_tokens, size_t kept, TruncationSide side);

// Error: InvalidInput, when `kept` tokens are not more than the stride.
Status CheckStride(const Truncation& truncation, size_t kept);

// The kept part and behind it the parts of the overflow: each is as long, begins (or, on the left,
// ends) where the stride says, and the last one is the first to reach the other end of the text.
// Error: that of CheckStride.
Result<std::vector<TokenRange>> CutIntoParts(size_t num_tokens, size_t kept,
                                             const Truncation& truncation);

}  // namespace akin::tokenizer
