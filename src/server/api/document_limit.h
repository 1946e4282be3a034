// Cohere's `max_tokens_per_doc`: of a document only so many tokens are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "akin/result.h"
#include "akin/tokenizer.h"

namespace akin::server {

// Cuts `document` behind its first `most` tokens, at least 1; special tokens do not count. What is
// left has no more than that when it is tokenized again. -> the tokens that were cut. Errors: those
// of the tokenizer.
Result<int64_t> CutDocument(const Tokenizer& tokenizer, size_t most, std::string& document);

// The same with `encode` in the tokenizer's place: a text without special tokens -> its tokens with
// offsets in code points.
using EncodeDocument = std::function<Result<akin::Encoding>(const std::string& document)>;
Result<int64_t> CutDocument(const EncodeDocument& encode, size_t most, std::string& document);

}  // namespace akin::server
