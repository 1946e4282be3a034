// Quality that users feel: how well the right document is found by its vector. A task is a folder
// as the BEIR benchmark has it (Thakur et al., 2021): corpus.jsonl and queries.jsonl with "id" (or
// "_id"), "text" and perhaps "title"; qrels.tsv (or qrels/test.tsv) with a query, a document and
// perhaps a grade a line, behind a heading or none.
#pragma once

#include <string>
#include <vector>

#include "akin/embedder.h"
#include "akin/result.h"

#include "cli/bench_report.h"

namespace akin::cli {

struct RelevantDocument {
  size_t document;
  double grade;  // Above 0.
};

struct RetrievalTask {
  std::string folder;
  std::vector<std::string> documents, queries;          // Texts.
  std::vector<std::vector<RelevantDocument>> relevant;  // Of each query; not empty.
};

// Queries without a relevant document are left out. Errors: kInputUnreadable; InvalidInput (a line
// that is none, an id that is not there or there twice), naming file and line.
Result<RetrievalTask> ReadRetrievalTask(const std::string& folder);

// The rank of a document is one more than the number of those with a greater cosine to the query.
// Recall@k is the share of queries' relevant documents with a rank of at most k; nDCG@10 has the
// grades as gains, divided by log2(rank + 1), over the best that is possible.
Result<RetrievalQuality> MeasureRetrieval(const Embedder& embedder, const RetrievalTask& task,
                                          const EmbedOptions& options);

// The figures of `ranks` [queries][relevant documents of the query].
RetrievalQuality ScoreRanks(const RetrievalTask& task,
                            const std::vector<std::vector<int64_t>>& ranks);

std::string RetrievalTable(const BenchReport& report);  // Empty when nothing was measured.
std::string RetrievalJson(const RetrievalQuality& quality);

}  // namespace akin::cli
