// The "pre_tokenizer" of tokenizer.json: cuts normalized text into pieces, each of which the model
// turns into tokens on its own.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/normalized_text.h"
#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

// Immutable; Split may be called from many threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Appends the parts of text[piece.begin, piece.end), in order and never empty, to `pieces`.
  virtual void Split(std::string_view text, ByteRange piece,
                     std::vector<ByteRange>& pieces) const = 0;
};

// The pre-tokenizer that `json` describes, an object with a "type".
StageLoader<PreTokenizer> LoadPreTokenizer;

// One loader a type, defined in the type's own file; pre_tokenizer.cc has the table.
StageLoader<PreTokenizer> LoadBertPreTokenizer, LoadDigits, LoadPunctuation,
    LoadPreTokenizerSequence, LoadWhitespace, LoadWhitespaceSplit;

}  // namespace akin::tokenizer
