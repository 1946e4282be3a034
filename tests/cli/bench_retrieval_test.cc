#include "cli/bench_retrieval.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin::cli {
namespace {

// A task of three documents and two queries; a test replaces one of the files.
class TaskFolder {
 public:
  TaskFolder() {
    Write("corpus.jsonl", R"({"id": "d1", "text": "one"}
{"_id": "d2", "title": "Two", "text": "is even"}
{"id": "d3", "text": "three"}
)");
    Write("queries.jsonl", R"({"id": "q1", "text": "odd"}
{"id": "q2", "text": "even"}
{"id": "q3", "text": "without an answer"}
)");
    Write("qrels.tsv", "query-id\tcorpus-id\tscore\nq2\td2\t1\nq1\td3\t2\nq1\td1\nq3\td1\t0\n");
  }
  void Write(std::string_view name, std::string_view content) const {
    folder_.Write(name, content);
  }
  Result<RetrievalTask> Read() const { return ReadRetrievalTask(folder_.path().string()); }

 private:
  TemporaryFolder folder_;
};

TEST(RetrievalTask, IsReadWithGradesTitlesAndEitherNameOfAnId) {
  const RetrievalTask task = TaskFolder().Read().value();
  EXPECT_EQ(task.documents, (std::vector<std::string>{"one", "Two is even", "three"}));
  EXPECT_EQ(task.queries, (std::vector<std::string>{"odd", "even"}));
  ASSERT_EQ(task.relevant.size(), 2u);
  ASSERT_EQ(task.relevant[0].size(), 2u);
  EXPECT_EQ(task.relevant[0][0].document, 2u);
  EXPECT_EQ(task.relevant[0][0].grade, 2);
  EXPECT_EQ(task.relevant[0][1].document, 0u);
  EXPECT_EQ(task.relevant[1][0].document, 1u);
}

TEST(RetrievalTask, OfBeirHasItsAnswersInAFolder) {
  const TaskFolder folder;
  folder.Write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n");
  const RetrievalTask task = folder.Read().value();
  EXPECT_EQ(task.queries, (std::vector<std::string>{"odd"}));
}

TEST(RetrievalTask, NamesTheLineThatIsWrong) {
  struct Case {
    const char *file, *content, *mention;
  };
  for (const Case& c :
       {Case{"corpus.jsonl", "[1]\n", "no JSON object"},
        Case{"corpus.jsonl", "{\"id\": \"a\", \"te\n", "no JSON object"},
        Case{"corpus.jsonl", "{\"id\": 7, \"text\": \"x\"}\n", "\"id\""},
        Case{"queries.jsonl", "{\"id\": \"a\"}\n", "\"text\""},
        Case{"queries.jsonl",
             "{\"id\": \"a\", \"text\": \"\"}\n"
             "{\"id\": \"a\", \"text\": \"\"}\n",
             "line 2"},
        Case{"qrels.tsv", "q1\n", "tabs"}, Case{"qrels.tsv", "q1\td1\tx\n", "tabs"},
        Case{"qrels.tsv", "q1\td1\tnan\n", "tabs"}, Case{"qrels.tsv", "q1\td1\t1\t2\n", "tabs"},
        Case{"qrels.tsv", "q9\td1\n", "'q9'"}, Case{"qrels.tsv", "q1\td9\n", "'d9'"},
        Case{"qrels.tsv", "q1\td1\t0\n", "no query has"}}) {
    const TaskFolder folder;
    folder.Write(c.file, c.content);
    ExpectError(folder.Read(), ErrorCode::kInvalidInput, c.mention);
  }
}

TEST(RetrievalQuality, IsThatOfTheTextbook) {
  RetrievalTask task;
  task.documents.resize(20);
  task.queries.resize(3);
  task.relevant = {{{0, 1}}, {{1, 1}}, {{2, 2}, {3, 1}}};
  const RetrievalQuality quality = ScoreRanks(task, {{1}, {11}, {4, 2}});
  EXPECT_EQ(quality.queries, 3);
  EXPECT_EQ(quality.documents, 20);
  EXPECT_EQ(quality.ranks, (std::vector<int64_t>{1, 11, 2}));
  EXPECT_NEAR(quality.recall_at_1, 1.0 / 3, 1e-12);
  EXPECT_NEAR(quality.recall_at_10, 2.0 / 3, 1e-12);
  EXPECT_NEAR(quality.mrr_at_10, (1 + 0 + 0.5) / 3, 1e-12);
  const double gain = 2 / std::log2(5) + 1 / std::log2(3),
               ideal = 2 / std::log2(2) + 1 / std::log2(3);
  EXPECT_NEAR(quality.ndcg_at_10, (1 + gain / ideal) / 3, 1e-12);
}

}  // namespace
}  // namespace akin::cli
