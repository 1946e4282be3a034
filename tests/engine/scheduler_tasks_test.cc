// What a scheduler gives besides dense vectors is what the embedder gives, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "akin/scheduler.h"

namespace akin {
namespace {

Embedder Load(const std::string& model) {
  return Embedder::Load(std::string(AKIN_TEST_DATA "/models/") + model, {.num_threads = 2}).value();
}

const std::vector<std::string> kTexts = {"the cat sat on the mat", "rates rose", "",
                                         "the cat sat on the mat"};
std::vector<std::string_view> Views() { return {kTexts.begin(), kTexts.end()}; }

template <typename Answer, typename Request>
Result<Answer> Ask(Request request, SchedulerOptions options = {.num_threads = 2}) {
  const auto scheduler = std::move(Scheduler::Start(options)).value();
  std::promise<Result<Answer>> promise;
  const auto ticket = scheduler->Submit(
      std::move(request), [&](Result<Answer> answer) { promise.set_value(std::move(answer)); });
  if (!ticket) return ticket.error();
  return promise.get_future().get();
}

void ExpectEqual(const Scores& a, const Scores& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(std::ranges::equal(a[i], b[i])) << i;
  EXPECT_EQ(a.usage().total_tokens, b.usage().total_tokens);
}

TEST(SchedulerTasks, SparseVectorsAreTheEmbeddersOwn) {
  const Embedder model = Load("splade-bert");
  const SparseEmbeddings alone = model.EmbedSparse(Views()).value();
  const AllEmbeddings answer =
      Ask<AllEmbeddings>(
          EmbedRequest{.embedder = model, .texts = kTexts, .outputs = {Output::kSparse}})
          .value();
  ASSERT_EQ(answer.sparse.size(), kTexts.size());
  for (size_t i = 0; i < kTexts.size(); ++i) {
    EXPECT_EQ(answer.sparse[i].indices, alone[i].indices);
    EXPECT_EQ(answer.sparse[i].values, alone[i].values);
  }
  EXPECT_EQ(answer.dense.size(), 0u);
}

TEST(SchedulerTasks, TokenStatesAreTheEmbeddersOwn) {
  const Embedder model = Load("bert-mean");
  const TokenEmbeddings alone = model.EmbedTokens(Views()).value();
  const AllEmbeddings answer =
      Ask<AllEmbeddings>(EmbedRequest{.embedder = model,
                                      .texts = kTexts,
                                      .outputs = {Output::kDense, Output::kTokens}})
          .value();
  ASSERT_EQ(answer.tokens.size(), kTexts.size());
  EXPECT_EQ(answer.dense.size(), kTexts.size());
  for (size_t i = 0; i < kTexts.size(); ++i) {
    ASSERT_EQ(answer.tokens[i].rows(), alone[i].rows());
    for (size_t t = 0; t < alone[i].rows(); ++t)
      EXPECT_TRUE(std::ranges::equal(answer.tokens[i].row(t), alone[i].row(t)));
  }
}

TEST(SchedulerTasks, WindowsOfLongTextsAreTheEmbeddersOwn) {
  const Embedder model = Load("bert-mean");
  std::vector<std::string> texts = {"short"};
  for (int i = 0; i < 300; ++i) texts.push_back(texts.back() + " word" + std::to_string(i));
  texts = {texts[0], texts[300], texts[150], texts[300]};
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const Overflow overflow : {Overflow::kAverage, Overflow::kChunks, Overflow::kLate}) {
    const EmbedOptions options{.overflow = overflow, .window_tokens = 12};
    const Embeddings alone = model.Embed(views, options).value();
    const Embeddings answer =
        Ask<AllEmbeddings>(EmbedRequest{.embedder = model, .texts = texts, .options = options},
                           {.num_threads = 2, .batch_tokens = 40})
            .value()
            .dense;
    ASSERT_EQ(answer.size(), alone.size()) << OverflowName(overflow);
    for (size_t i = 0; i < alone.size(); ++i)
      EXPECT_TRUE(std::ranges::equal(answer[i], alone[i])) << OverflowName(overflow) << ' ' << i;
    ASSERT_EQ(answer.chunks().size(), alone.chunks().size());
    for (size_t i = 0; i < alone.chunks().size(); ++i)
      EXPECT_EQ(answer.chunks()[i].end_byte, alone.chunks()[i].end_byte);
  }
}

TEST(SchedulerTasks, ATextThatIsTooLongSaysByHowMuch) {
  const Embedder model = Load("bert-mean");
  std::string text = "word";
  while (text.size() < 4000) text += " word";
  const auto answer = Ask<AllEmbeddings>(EmbedRequest{
      .embedder = model, .texts = {"a", text}, .options = {.overflow = Overflow::kError}});
  ASSERT_FALSE(answer);
  ASSERT_TRUE(answer.error().too_many_tokens());
  EXPECT_EQ(answer.error().too_many_tokens()->limit, model.Info().max_tokens);
  const auto tokens = model.tokenizer().CountTokens(text, {.truncation = Off{}}).value();
  EXPECT_EQ(answer.error().too_many_tokens()->tokens, static_cast<int64_t>(tokens));
  EXPECT_FALSE(Error(ErrorCode::kInvalidInput, "overflow is an error").too_many_tokens());
}

TEST(SchedulerTasks, LateChunksMayBeTheCallersOwn) {
  const Embedder model = Load("bert-mean");
  const auto embed = [&](std::vector<std::string_view> texts, std::vector<size_t> ends,
                         Overflow overflow = Overflow::kLate) {
    return model.Embed(texts, {.overflow = overflow, .chunk_ends = std::move(ends)});
  };
  const Embeddings chunks = embed({"the cat sat. rates rose"}, {13, 23}).value();
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks.chunks()[0].begin_byte, 0u);
  EXPECT_EQ(chunks.chunks()[0].end_token, chunks.chunks()[1].begin_token);
  EXPECT_EQ(chunks.chunks()[1].end_byte, 23u);
  // One chunk is all of the text but for the special tokens.
  EXPECT_EQ(embed({"the cat"}, {7}).value().size(), 1u);
  EXPECT_FALSE(embed({"the cat"}, {3, 6})) << "the last one is not the end";
  EXPECT_FALSE(embed({"the cat"}, {4, 2, 7})) << "not ascending";
  EXPECT_FALSE(embed({"the cat"}, {3, 3, 7})) << "a chunk without a token";
  EXPECT_FALSE(embed({"the cat", "b"}, {7})) << "two texts";
  EXPECT_FALSE(embed({"the cat"}, {7}, Overflow::kTruncate));
  std::string text = "word";
  while (text.size() < 4000) text += " word";
  EXPECT_TRUE(embed({text}, {text.size()}).error().too_many_tokens());
}

TEST(SchedulerTasks, TextsAndPairsAreScoredTogether) {
  const Embedder model = Load("cross-bert-nli");
  const Scores texts = model.Classify(Views()).value();
  const std::vector<TextPair> pair = {{kTexts[0], kTexts[1]}};
  const Scores pairs = model.ScorePairs(pair).value();
  const Scores answer =
      Ask<Scores>(ScoreRequest{.embedder = model,
                               .inputs = {{kTexts[0], std::nullopt}, {kTexts[0], kTexts[1]}}})
          .value();
  EXPECT_TRUE(std::ranges::equal(answer[0], texts[0]));
  EXPECT_TRUE(std::ranges::equal(answer[1], pairs[0]));
}

TEST(SchedulerTasks, RerankersAndLateInteractionRerank) {
  for (const char* name : {"cross-bert", "colbert-plain"}) {
    const Embedder model = Load(name);
    const Scores alone = model.Rerank("a cat", Views()).value();
    ExpectEqual(Ask<Scores>(RerankRequest{.embedder = model, .query = "a cat", .documents = kTexts})
                    .value(),
                alone);
  }
}

TEST(SchedulerTasks, WhatAModelCannotGiveIsItsOwnError) {
  const Embedder model = Load("bert-mean");
  const auto sparse = Ask<AllEmbeddings>(
      EmbedRequest{.embedder = model, .texts = {"a"}, .outputs = {Output::kSparse}});
  const auto scores =
      Ask<Scores>(RerankRequest{.embedder = model, .query = "a", .documents = {"b"}});
  EXPECT_EQ(sparse.error().code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(scores.error().code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(Ask<Scores>(RerankRequest{.embedder = model, .query = "a"}).error().code(),
            ErrorCode::kInvalidInput);
  EXPECT_EQ(Ask<Scores>(ScoreRequest{.embedder = model}).error().code(), ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace akin
