// Answers of the engine -> JSON lines.
#pragma once

#include <span>
#include <string>

#include "akin/embeddings.h"
#include "akin/options.h"
#include "akin/result.h"

#include "cli/type_arguments.h"

namespace akin::cli {

// Appends ,"truncated_tokens":3 if text i was cut, and ,"ids":[...] if they are asked for.
void AppendReport(const TextReport& report, size_t i, bool with_ids, std::string& out);

// How numbers and reports are written.
struct LineOptions {
  ValueType value;
  bool with_ids = false;
};

// Errors of all: InvalidInput, a type that does not fit.
// {"id":0,"scores":[...]} a text; with labels, "label" is that of the largest score.
Result<std::string> ScoreLines(std::span<const std::string> ids, const Scores& scores,
                               std::span<const std::string> labels, const LineOptions& options);
// {"id":0,"indices":[...],"values":[...]}
Result<std::string> SparseLines(std::span<const std::string> ids, const SparseEmbeddings& vectors,
                                const LineOptions& options);
// {"id":0,"embeddings":[[...],...]}
Result<std::string> TokenLines(std::span<const std::string> ids, const TokenEmbeddings& vectors,
                               const LineOptions& options);

}  // namespace akin::cli
