// The "decoder" of tokenizer.json: turns the texts of tokens back into one text.
//
// Each kind rewrites the list of token texts; what is left is joined without a separator.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/budget.h"
#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

// Immutable; Decode may be called from many threads.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Error: InvalidInput, when the tokens would grow beyond what `budget` has left, which stays.
  virtual Status Decode(std::vector<std::string>& tokens, Budget& budget) const = 0;
};

// `text` with every occurrence of `pattern` replaced, from left to right without overlap. An empty
// pattern is found before every character and at the end, as in the reference.
std::string ReplaceAll(std::string_view text, std::string_view pattern, std::string_view content);

// Replaces every token by replace(token, index). Error: InvalidInput, naming `stage`.
template <typename Replace>
Status ReplaceTokens(std::vector<std::string>& tokens, const Budget& budget, std::string_view stage,
                     Replace&& replace) {
  size_t total_bytes = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = replace(std::string_view(tokens[i]), i);
    total_bytes += tokens[i].size();
    if (total_bytes > budget.bytes_left()) return budget.TooLong(stage);
  }
  return {};
}

// Takes back the blanks that stand before punctuation and parts of words in tokenized English.
void CleanUpTokenization(std::string& token);

// `text` with every part that is no UTF-8 replaced by U+FFFD, one for each maximal subpart of a
// character (Unicode 3.9, "Substitution of Maximal Subparts").
std::string LossyUtf8(std::string_view bytes);

// The decoder that `json` describes, an object with a "type".
StageLoader<Decoder> LoadDecoder;

// One loader a type, defined in the type's own file; decoder.cc has the table.
StageLoader<Decoder> LoadBpeDecoder, LoadByteFallbackDecoder, LoadByteLevelDecoder, LoadCtcDecoder,
    LoadFuseDecoder, LoadMetaspaceDecoder, LoadReplaceDecoder, LoadDecoderSequence,
    LoadStripDecoder, LoadWordPieceDecoder;

}  // namespace akin::tokenizer
