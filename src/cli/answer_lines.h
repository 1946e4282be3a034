// Answers of the engine -> JSON lines.
#pragma once

#include <span>
#include <string>

#include "akin/embeddings.h"

namespace akin::cli {

// Appends ,"truncated_tokens":3 if text i was cut, and ,"ids":[...] if they are asked for.
void AppendReport(const TextReport& report, size_t i, bool with_ids, std::string& out);

// {"id":0,"scores":[...]} a text; with labels, "label" is that of the largest score.
std::string ScoreLines(std::span<const std::string> ids, const Scores& scores,
                       std::span<const std::string> labels, bool with_ids);
// {"id":0,"indices":[...],"values":[...]}
std::string SparseLines(std::span<const std::string> ids, const SparseEmbeddings& vectors,
                        bool with_ids);
// {"id":0,"embeddings":[[...],...]}
std::string TokenLines(std::span<const std::string> ids, const TokenEmbeddings& vectors,
                       bool with_ids);

}  // namespace akin::cli
