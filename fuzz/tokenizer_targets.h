// What the tokenizer's fuzzers run. Apart from their main functions, so that a plain test replays
// the corpus with any compiler.
#pragma once

#include <string_view>

namespace akin::fuzz {

// `json` is the text of a tokenizer.json.
void LoadTokenizer(std::string_view json);

// The first bytes choose a tokenizer and options, the rest is one text or, behind a 0xFF, a pair.
void EncodeText(std::string_view bytes);

// The bytes up to the first NUL are a regular expression, the others a text.
void MatchRegex(std::string_view bytes);

}  // namespace akin::fuzz
