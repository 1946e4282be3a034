// The regular expressions that most byte-level tokenizers cut with, recognised by their exact text
// and run by loops written by hand: some twenty times faster than the general matcher
// (tokenizer/regex), against which they are tested.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/normalized_text.h"

namespace akin::tokenizer {

struct KnownPattern {
  std::string_view name;
  std::string_view regex;
  // Appends all matches in text[range], from left to right without overlap, never empty.
  void (*Matches)(std::string_view text, ByteRange range, std::vector<ByteRange>& matches);
};

// Null: none of them.
const KnownPattern* FindKnownPattern(std::string_view regex);

const KnownPattern& Gpt2Pattern();

}  // namespace akin::tokenizer
