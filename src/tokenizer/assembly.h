// From the tokens of one or two texts to an akin::Encoding: the parts that truncation cuts them
// into, put into the post-processor's template.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/result.h"
#include "akin/tokenizer.h"

#include "tokenizer/normalized_text.h"
#include "tokenizer/post_processors/post_processor.h"
#include "tokenizer/truncation.h"

namespace akin::tokenizer {

// What is told of a token when offsets are asked for.
struct TokenDetail {
  ByteRange source;  // In bytes of the caller's text.
  int32_t word;
  std::string token;
};

// All tokens of one text, before special tokens and truncation.
struct TextTokens {
  std::string_view text;
  std::vector<int32_t> ids;
  std::vector<TokenDetail> details;  // One per id, or none.
  std::vector<TokenRange> parts;     // The first one is kept, the others are overflow.
};

struct AssemblyOptions {
  bool is_pair = false;
  bool add_special_tokens = true;
  bool with_offsets = false;
};

// `texts` are one or, of a pair, two. With overflow every part of a text is combined with every
// part of the other one, in the reference's order. Error: InvalidInput, when those are so many that
// memory would no longer be proportional to the texts.
Result<Encoding> Assemble(const std::vector<TextTokens>& texts, const PostProcessor& processor,
                          const AssemblyOptions& options);

}  // namespace akin::tokenizer
