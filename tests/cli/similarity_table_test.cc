#include "cli/similarity_table.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/utf8.h"

namespace akin::cli {
namespace {

TEST(SimilarityTable, CosinesAreThoseOfThePairs) {
  const float values[] = {3, 0, 0, 4, 1, 1};
  const auto matrix = CosineMatrix({values, 3, 2});
  EXPECT_DOUBLE_EQ(matrix[0][0], 1);
  EXPECT_DOUBLE_EQ(matrix[0][1], 0);
  EXPECT_NEAR(matrix[0][2], 0.70710678, 1e-8);
  EXPECT_EQ(matrix[2][1], matrix[1][2]);
}

TEST(SimilarityTable, RowOfZerosHasSimilarityZero) {
  const float values[] = {0, 0, 1, 0};
  EXPECT_EQ(CosineMatrix({values, 2, 2})[0][1], 0);
  EXPECT_EQ(CosineMatrix({values, 2, 2})[0][0], 0);
}

TEST(SimilarityTable, RowsAreLabelledAndColumnsNumbered) {
  const std::vector<std::string> labels = {"one", "two"};
  EXPECT_EQ(SimilarityTable({{1, -0.00001}, {-0.00001, 1}}, labels, 80),
            "            1       2\n"
            "1 one  1.0000  0.0000\n"
            "2 two  0.0000  1.0000\n");
}

TEST(SimilarityTable, NoLineIsWiderThanTheTerminal) {
  const size_t n = 30;
  const std::vector<std::vector<double>> matrix(n, std::vector<double>(n, -0.5));
  std::vector<std::string> labels(n,
                                  "東京は日本の首都です。今天的天气很好。東京は日本の首都です。");
  labels[3] = std::string(500, 'x');
  for (int width : {40, 80, 123}) {
    std::istringstream lines(SimilarityTable(matrix, labels, width));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(DisplayWidth(line), width) << line;
  }
}

TEST(SimilarityTable, WideMatrixComesInPartsThatHoldEveryColumn) {
  const std::vector<std::vector<double>> matrix(5, std::vector<double>(5, 0.25));
  const std::string table = SimilarityTable(matrix, std::vector<std::string>(5, "text"), 30);
  size_t values = 0;
  for (size_t at = table.find("0.2500"); at != table.npos; at = table.find("0.2500", at + 1))
    ++values;
  EXPECT_EQ(values, 25u);
}

}  // namespace
}  // namespace akin::cli
