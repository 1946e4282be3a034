#include "cli/bench_retrieval.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <unordered_map>

#include "cli/json_writer.h"
#include "cli/line_reader.h"
#include "cli/strings.h"
#include "cli/text_table.h"

namespace akin::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCut = 10;

using Places = std::unordered_map<std::string, size_t>;  // Of ids.

// Calls `take` with every line of the file that is not empty; its errors get the line's name.
Status ForEachLine(const std::string& path,
                   const std::function<Status(std::string_view line, int64_t number)>& take) {
  AKIN_TRY_ASSIGN(const FileDescriptor file, OpenInput(path));
  LineReader reader(file.get(), path, nullptr);
  for (std::string_view line;;) {
    AKIN_TRY_ASSIGN(const LineReader::Event event, reader.Next(line, false));
    if (event == LineReader::Event::kEnd) return {};
    if (line.empty()) continue;
    if (const Status status = take(line, reader.line_number()); !status) {
      return InvalidInput(path, ", line ", reader.line_number(), ": ", status.error().message());
    }
  }
}

// The string under one of two names.
std::optional<std::string_view> Member(const simdjson::dom::object& object, const char* name,
                                       const char* other) {
  std::string_view text;
  if (!object[name].get(text) || !object[other].get(text)) return text;
  return std::nullopt;
}

// corpus.jsonl or queries.jsonl.
Status ReadTexts(const std::string& path, std::vector<std::string>& texts, Places& places) {
  simdjson::dom::parser parser;
  return ForEachLine(path, [&](std::string_view line, int64_t) -> Status {
    simdjson::dom::object object;
    if (parser.parse(line.data(), line.size()).get(object))
      return InvalidInput("is no JSON object");
    const auto id = Member(object, "id", "_id"), text = Member(object, "text", "text");
    if (!id || !text) return InvalidInput("has no \"id\" (or \"_id\") and \"text\", both strings");
    if (!places.emplace(*id, texts.size()).second)
      return InvalidInput("has the id '", *id, "', which an earlier line has too");
    const auto title = Member(object, "title", "title");
    texts.push_back(title && !title->empty() ? StrCat(*title, ' ', *text) : std::string(*text));
    return {};
  });
}

std::vector<std::string_view> SplitAtTabs(std::string_view line) {
  std::vector<std::string_view> fields;
  for (size_t begin = 0;;) {
    const size_t end = line.find('\t', begin);
    fields.push_back(line.substr(begin, end - begin));
    if (end == std::string_view::npos) return fields;
    begin = end + 1;
  }
}

Result<double> GradeOf(const std::vector<std::string_view>& fields) {
  if (fields.size() == 2) return 1.0;
  double grade = 0;
  const std::string_view text = fields.size() == 3 ? fields[2] : std::string_view();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), grade);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(grade))
    return InvalidInput("is not a query, a document and perhaps a grade with tabs between them");
  return grade;
}

Status ReadRelevant(const std::string& path, const Places& queries, const Places& documents,
                    RetrievalTask& task) {
  return ForEachLine(path, [&](std::string_view line, int64_t number) -> Status {
    const std::vector<std::string_view> fields = SplitAtTabs(line);
    if (number == 1 && fields.front() == "query-id") return {};  // A heading.
    AKIN_TRY_ASSIGN(const double grade, GradeOf(fields));
    const auto query = queries.find(std::string(fields[0]));
    if (query == queries.end()) return InvalidInput("there is no query '", fields[0], "'");
    const auto document = documents.find(std::string(fields[1]));
    if (document == documents.end()) return InvalidInput("there is no document '", fields[1], "'");
    if (grade > 0) task.relevant[query->second].push_back({document->second, grade});
    return {};
  });
}

void LeaveOutQueriesWithoutAnswer(RetrievalTask& task) {
  std::vector<std::string> queries;
  for (size_t q = 0; q < task.queries.size(); ++q) {
    if (!task.relevant[q].empty()) queries.push_back(std::move(task.queries[q]));
  }
  task.queries = std::move(queries);
  std::erase_if(task.relevant, [](const auto& answers) { return answers.empty(); });
}

// In several sums, which the compiler adds side by side.
float Dot(std::span<const float> a, std::span<const float> b) {
  constexpr size_t kSums = 16;
  float sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= a.size(); i += kSums) {
    for (size_t s = 0; s < kSums; ++s) sums[s] += a[i + s] * b[i + s];
  }
  float sum = 0;
  for (; i < a.size(); ++i) sum += a[i] * b[i];
  for (const float part : sums) sum += part;
  return sum;
}

// The ranks of `relevant` among all documents for one query.
std::vector<int64_t> RanksOf(std::span<const float> query, const Embeddings& documents,
                             std::span<const float> norms,
                             const std::vector<RelevantDocument>& relevant) {
  std::vector<float> scores(documents.size());
  for (size_t d = 0; d < scores.size(); ++d)
    scores[d] = norms[d] > 0 ? Dot(query, documents[d]) / norms[d] : -1.0f;
  std::vector<int64_t> ranks;
  for (const RelevantDocument& answer : relevant) {
    const float score = scores[answer.document];
    ranks.push_back(1 + std::ranges::count_if(scores, [score](float s) { return s > score; }));
  }
  return ranks;
}

double Discount(int64_t rank) { return 1.0 / std::log2(static_cast<double>(rank) + 1); }

// The gains of the relevant documents in the best order.
double IdealGain(std::vector<RelevantDocument> relevant) {
  std::ranges::sort(relevant, std::ranges::greater(), &RelevantDocument::grade);
  double gain = 0;
  for (size_t i = 0; i < std::min<size_t>(relevant.size(), kCut); ++i)
    gain += relevant[i].grade * Discount(static_cast<int64_t>(i) + 1);
  return gain;
}

}  // namespace

Result<RetrievalTask> ReadRetrievalTask(const std::string& folder) {
  RetrievalTask task{.folder = folder};
  Places documents, queries;
  AKIN_TRY(ReadTexts(folder + "/corpus.jsonl", task.documents, documents));
  AKIN_TRY(ReadTexts(folder + "/queries.jsonl", task.queries, queries));
  task.relevant.resize(task.queries.size());
  std::error_code error;
  const std::string beir = folder + "/qrels/test.tsv";
  AKIN_TRY(ReadRelevant(fs::exists(beir, error) ? beir : folder + "/qrels.tsv", queries, documents,
                        task));
  LeaveOutQueriesWithoutAnswer(task);
  if (task.queries.empty()) return InvalidInput(folder, ": no query has a relevant document");
  return task;
}

Result<RetrievalQuality> MeasureRetrieval(const Embedder& embedder, const RetrievalTask& task,
                                          const EmbedOptions& options) {
  AKIN_TRY_ASSIGN(const Embeddings documents, embedder.Embed(task.documents, options));
  AKIN_TRY_ASSIGN(const Embeddings queries, embedder.Embed(task.queries, options));
  std::vector<float> norms;
  for (size_t d = 0; d < documents.size(); ++d)
    norms.push_back(std::sqrt(Dot(documents[d], documents[d])));
  std::vector<std::vector<int64_t>> ranks;
  for (size_t q = 0; q < queries.size(); ++q)
    ranks.push_back(RanksOf(queries[q], documents, norms, task.relevant[q]));
  return ScoreRanks(task, ranks);
}

RetrievalQuality ScoreRanks(const RetrievalTask& task,
                            const std::vector<std::vector<int64_t>>& ranks) {
  RetrievalQuality quality{.task = task.folder,
                           .queries = static_cast<int64_t>(ranks.size()),
                           .documents = static_cast<int64_t>(task.documents.size())};
  for (size_t q = 0; q < ranks.size(); ++q) {
    double gain = 0, at_1 = 0, at_10 = 0;
    for (size_t i = 0; i < ranks[q].size(); ++i) {
      const int64_t rank = ranks[q][i];
      at_1 += rank == 1 ? 1 : 0;
      if (rank > kCut) continue;
      at_10 += 1;
      gain += task.relevant[q][i].grade * Discount(rank);
    }
    const double of_a_query = 1.0 / static_cast<double>(ranks.size());
    const double of_a_document = of_a_query / static_cast<double>(ranks[q].size());
    const int64_t best = *std::ranges::min_element(ranks[q]);
    quality.ranks.push_back(best);
    quality.recall_at_1 += at_1 * of_a_document;
    quality.recall_at_10 += at_10 * of_a_document;
    quality.ndcg_at_10 += gain / IdealGain(task.relevant[q]) * of_a_query;
    quality.mrr_at_10 += best <= kCut ? of_a_query / static_cast<double>(best) : 0;
  }
  return quality;
}

std::string RetrievalTable(const BenchReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"", "recall@1", "recall@10", "nDCG@10", "MRR@10", "queries", "documents"}};
  for (const SettingReport& s : report.settings) {
    if (!s.retrieval) continue;
    const RetrievalQuality& q = *s.retrieval;
    rows.push_back({s.Name(), Fixed(q.recall_at_1, 4), Fixed(q.recall_at_10, 4),
                    Fixed(q.ndcg_at_10, 5), Fixed(q.mrr_at_10, 5), Grouped(q.queries),
                    Grouped(q.documents)});
  }
  return rows.size() > 1 ? StrCat("retrieval\n", TextTable(rows)) : "";
}

std::string RetrievalJson(const RetrievalQuality& quality) {
  std::vector<std::string> ranks;
  for (const int64_t rank : quality.ranks) ranks.push_back(StrCat(rank));
  return JsonObject()
      .Add("task", quality.task)
      .Add("queries", quality.queries)
      .Add("documents", quality.documents)
      .Add("recall_at_1", quality.recall_at_1)
      .Add("recall_at_10", quality.recall_at_10)
      .Add("ndcg_at_10", quality.ndcg_at_10)
      .Add("mrr_at_10", quality.mrr_at_10)
      .AddRaw("ranks", JsonArray(ranks))
      .str();
}

}  // namespace akin::cli
