#include "server/answer_size.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

ModelInfo Model() {
  ModelInfo info;
  info.dimension = 384;
  info.token_dimension = 128;
  info.max_tokens = 512;
  info.labels = {"yes", "no"};
  return info;
}

TEST(AnswerSize, DenseVectorsHaveTheDimensionsAndEncodingThatAreAskedFor) {
  AnswerSize size{.texts = 2000, .outputs = {Output::kDense}};
  EXPECT_EQ(GuessBytes(size, Model(), 9999), 2000 * (64 + 384 * 12));
  size.dimensions = 8;
  size.value_bytes = 6;
  EXPECT_EQ(GuessBytes(size, Model(), 9999), 2000 * (64 + 8 * 6));
  size.dimensions = 1 << 30;  // More than there are is another's error.
  EXPECT_EQ(GuessBytes(size, Model(), 9999), 2000 * (64 + 384 * 6));
}

TEST(AnswerSize, VectorsOfTokensCountTheTokens) {
  const AnswerSize size{.texts = 1, .outputs = {Output::kTokens, Output::kMultiVector}};
  EXPECT_EQ(GuessBytes(size, Model(), 100), 64 + 100 * (384 + 128) * 12);
}

TEST(AnswerSize, ScoresCountWhatComesBack) {
  EXPECT_EQ(GuessBytes(SizeOfScores(10), Model(), 100), 10 * 64 + 10 * 2 * 64);
  EXPECT_EQ(GuessBytes(SizeOfScores(10, 5000), Model(), 100), 10 * 64 + 10 * 2 * 64 + 5000);
}

TEST(AnswerSize, NoMoreTokensAreGuessedThanTheModelReads) {
  EXPECT_EQ(GuessTokens({.texts = 2, .text_bytes = 400}, Model()), 102 + 4);
  EXPECT_EQ(GuessTokens({.texts = 2, .text_bytes = 1 << 20}, Model()), 1024);
}

}  // namespace
}  // namespace akin::server
