// An answer of `akin tokenize --jsonl`: one line of JSON.
#pragma once

#include <string>

#include "akin/tokenizer.h"

#include "cli/tokenize_request.h"

namespace akin::cli {

// Appends the answer, {"id":...} with an encoding, a "batch", "decoded" or an "error".
void AppendAnswer(const Tokenizer& tokenizer, const ParsedRequest& request, std::string& out);

}  // namespace akin::cli
