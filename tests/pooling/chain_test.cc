#include "pooling/chain.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "support/expect_error.h"

namespace akin::pooling {
namespace {

Result<Chain> MakeChain(std::span<const model::Module> modules, RowShape input) {
  const kernels::Kernels kernels = kernels::ScalarKernels(Precision::kF32);
  return Chain::Make(modules, input, {kernels, kernels});
}

// A tensor of f32 that owns its numbers.
struct OwnTensor {
  std::vector<float> values;
  model::Tensor tensor;
  OwnTensor(std::vector<int64_t> shape, std::vector<float> numbers) : values(std::move(numbers)) {
    tensor = {.name = "t", .shape = std::move(shape), .bytes = std::as_bytes(std::span(values))};
  }
};

// Two sequences of two and one tokens, three values each.
class ChainTest : public testing::Test {
 protected:
  std::vector<float> Run(const Chain& chain, int team_size = 1) {
    const BatchView batch{tokens_, segments_};
    std::vector<float> vectors(segments_.size() * chain.output().width, -99.0f);
    Scratch scratch;
    chain.Prepare(batch, static_cast<size_t>(team_size), scratch);
    // Members one after the other: a team of steps that do not meet would show as -99.
    for (int rank = 0; rank < team_size; ++rank) {
      Barrier barrier(1);
      chain.Forward(batch, {states_.data(), 3, 3},
                    {.rank = rank, .size = team_size, .barrier = &barrier}, scratch,
                    {vectors.data(), segments_.size(), chain.output().width});
    }
    return vectors;
  }

  static model::Module Pool(std::vector<PoolingMode> modes) {
    return model::Pooling{.folder = "1_Pooling", .modes = std::move(modes)};
  }

  std::vector<int32_t> ids_ = {7, 8, 9}, cu_seqlens_ = {0, 2, 3};
  RaggedBatch tokens_{ids_, {}, cu_seqlens_};
  std::vector<Segment> segments_ = {{.begin = 0, .length = 2}, {.begin = 2, .length = 1}};
  std::vector<float> states_ = {1, 2, 3, 5, 6, 7, 0, 3, 4};
};

TEST_F(ChainTest, OnlyPoolingByTheFirstTokenReadsFirstRowsOnly) {
  const auto reads = [](std::vector<model::Module> modules, bool per_token = true) {
    return MakeChain(modules, {3, per_token}).value().reads_only_first_rows();
  };
  EXPECT_TRUE(reads({Pool({PoolingMode::kCls})}));
  EXPECT_TRUE(reads({Pool({PoolingMode::kCls}), model::Normalize{}}));
  EXPECT_FALSE(reads({Pool({PoolingMode::kCls, PoolingMode::kMean})}));
  EXPECT_FALSE(reads({Pool({PoolingMode::kMean})}));
  EXPECT_FALSE(reads({}));  // Token states.
  EXPECT_FALSE(reads({model::Normalize{}}, false));
}

TEST_F(ChainTest, PoolingMakesOneRowOfEachSegment) {
  const std::vector modules{Pool({PoolingMode::kMean})};
  const Chain chain = MakeChain(modules, {3, true}).value();
  EXPECT_EQ(chain.output().width, 3u);
  EXPECT_FALSE(chain.normalizes());
  EXPECT_EQ(Run(chain), (std::vector<float>{3, 4, 5, 0, 3, 4}));
}

TEST_F(ChainTest, ASegmentMayBeAPartOfItsSequence) {
  segments_ = {{.begin = 1, .length = 1, .first_position = 1}, {.begin = 2, .length = 1}};
  const std::vector modules{Pool({PoolingMode::kMean})};
  EXPECT_EQ(Run(MakeChain(modules, {3, true}).value()), (std::vector<float>{5, 6, 7, 0, 3, 4}));
}

TEST_F(ChainTest, JoinedModesMakeWiderRows) {
  const std::vector modules{Pool({PoolingMode::kCls, PoolingMode::kMax})};
  const Chain chain = MakeChain(modules, {3, true}).value();
  EXPECT_EQ(chain.output().width, 6u);
  EXPECT_EQ(Run(chain), (std::vector<float>{1, 2, 3, 5, 6, 7, 0, 3, 4, 0, 3, 4}));
}

TEST_F(ChainTest, ALastNormalizeIsLeftToTheCaller) {
  const std::vector<model::Module> modules{Pool({PoolingMode::kCls}), model::Normalize{}};
  const Chain chain = MakeChain(modules, {3, true}).value();
  EXPECT_TRUE(chain.normalizes());
  EXPECT_EQ(Run(chain), (std::vector<float>{1, 2, 3, 0, 3, 4}));
}

TEST_F(ChainTest, NormalizeBeforePoolingScalesEveryToken) {
  const std::vector<model::Module> modules{model::Normalize{}, Pool({PoolingMode::kLastToken})};
  const std::vector<float> vectors = Run(MakeChain(modules, {3, true}).value());
  EXPECT_FLOAT_EQ(vectors[3], 0.0f);
  EXPECT_FLOAT_EQ(vectors[4], 0.6f);
  EXPECT_FLOAT_EQ(vectors[5], 0.8f);
}

TEST_F(ChainTest, EveryMemberOfATeamDoesItsShare) {
  const std::vector modules{Pool({PoolingMode::kMean})};
  EXPECT_EQ(Run(MakeChain(modules, {3, true}).value(), 2), (std::vector<float>{3, 4, 5, 0, 3, 4}));
}

TEST_F(ChainTest, VectorsOfABackendThatPoolsAreCopied) {
  states_ = {1, 2, 3, 4, 5, 6};
  const Chain chain = MakeChain({}, {3, false}).value();
  EXPECT_EQ(Run(chain), states_);
}

TEST_F(ChainTest, DenseMultipliesAddsAndActivates) {
  const OwnTensor weight({2, 3}, {1, 0, 0, 0, 1, -1}), bias({2}, {0.5f, -0.5f});
  const std::vector<model::Module> modules{
      Pool({PoolingMode::kCls}),
      model::Dense{
          .weight = weight.tensor, .bias = bias.tensor, .activation = model::RowActivation::kRelu}};
  EXPECT_EQ(Run(MakeChain(modules, {3, true}).value()), (std::vector<float>{1.5f, 0, 0.5f, 0}));
}

TEST_F(ChainTest, DenseBeforePoolingWorksOnTokens) {
  const OwnTensor weight({1, 3}, {1, 1, 1});
  const std::vector<model::Module> modules{model::Dense{.weight = weight.tensor},
                                           Pool({PoolingMode::kMax})};
  EXPECT_EQ(Run(MakeChain(modules, {3, true}).value()), (std::vector<float>{18, 7}));
}

TEST_F(ChainTest, AResidualIsAddedAsItIsOrProjected) {
  const OwnTensor square({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}), wide({1, 3}, {1, 0, 0}),
      residual({1, 3}, {0, 0, 10});
  const std::vector<model::Module> same{Pool({PoolingMode::kCls}),
                                        model::Dense{.weight = square.tensor, .add_input = true}};
  EXPECT_EQ(Run(MakeChain(same, {3, true}).value()), (std::vector<float>{2, 4, 6, 0, 6, 8}));
  const std::vector<model::Module> projected{
      Pool({PoolingMode::kCls}), model::Dense{.weight = wide.tensor, .residual = residual.tensor}};
  EXPECT_EQ(Run(MakeChain(projected, {3, true}).value()), (std::vector<float>{31, 40}));
}

TEST_F(ChainTest, LayerNormScalesRows) {
  const OwnTensor weight({3}, {1, 1, 2}), bias({3}, {0, 1, 0});
  const std::vector<model::Module> modules{
      Pool({PoolingMode::kCls}),
      model::RowLayerNorm{.weight = weight.tensor, .bias = bias.tensor, .eps = 0}};
  const std::vector<float> rows = Run(MakeChain(modules, {3, true}).value());
  EXPECT_NEAR(rows[0], -1.2247449f, 1e-6);
  EXPECT_NEAR(rows[1], 1.0f, 1e-6);
  EXPECT_NEAR(rows[2], 2 * 1.2247449f, 1e-6);
}

TEST_F(ChainTest, VocabularyPoolingTakesTheLargestWeightOfTheTokens) {
  const OwnTensor weight({2, 3}, {1, 0, 0, -1, 0, 0}), bias({2}, {0, 0.5f});
  const std::vector<model::Module> modules{
      model::VocabularyPooling{.weight = weight.tensor, .bias = bias.tensor}};
  const std::vector<float> rows = Run(MakeChain(modules, {3, true}).value());
  EXPECT_FLOAT_EQ(rows[0], std::log1p(5.0f));
  EXPECT_EQ(rows[1], 0.0f);
  EXPECT_EQ(rows[2], 0.0f);
  EXPECT_FLOAT_EQ(rows[3], std::log1p(0.5f));
}

TEST_F(ChainTest, VocabularyPoolingWithoutWeightsReducesLogits) {
  const RowShape logits{.width = 3, .logits = true};
  const std::vector<model::Module> largest{model::VocabularyPooling{}};
  const Chain chain = MakeChain(largest, logits).value();
  EXPECT_FALSE(chain.output().per_token);
  const std::vector<float> rows = Run(chain);
  const std::vector<float> maxima = {5, 6, 7, 0, 3, 4};
  ASSERT_EQ(rows.size(), maxima.size());
  for (size_t i = 0; i < maxima.size(); ++i) EXPECT_FLOAT_EQ(rows[i], std::log1p(maxima[i]));
  EXPECT_EQ(Run(chain, 2), rows);
  EXPECT_EQ(Run(chain, 5), rows);  // More threads than columns.
  const std::vector<model::Module> sums{model::VocabularyPooling{.sum = true, .log_twice = true}};
  states_[3] = -5;
  EXPECT_FLOAT_EQ(Run(MakeChain(sums, logits).value())[0], std::log1p(std::log1p(1.0f)));
  EXPECT_FLOAT_EQ(Run(MakeChain(sums, logits).value())[1],
                  std::log1p(std::log1p(2.0f)) + std::log1p(std::log1p(6.0f)));
  ExpectError(MakeChain(largest, {.width = 3, .source = "a graph"}), ErrorCode::kUnsupportedModel,
              "states of tokens only (a graph)", "no weights of a head");
}

TEST_F(ChainTest, AModuleOfAnotherWidthIsRefused) {
  const OwnTensor weight({2, 4}, std::vector<float>(8));
  const std::vector<model::Module> modules{
      Pool({PoolingMode::kCls}), model::Dense{.folder = "2_Dense", .weight = weight.tensor}};
  ExpectError(MakeChain(modules, {3, true}), ErrorCode::kInvalidModel, "2_Dense", "4", "3");
}

TEST_F(ChainTest, WhatMeansNothingIsRefused) {
  const std::vector<model::Module> twice{Pool({PoolingMode::kCls}), Pool({PoolingMode::kCls})};
  ExpectError(MakeChain(twice, {3, true}), ErrorCode::kUnsupportedModel, "1_Pooling");
  const std::vector<model::Module> wide{
      model::Pooling{.folder = "1_Pooling", .modes = {PoolingMode::kCls}, .dimension = 999}};
  ExpectError(MakeChain(wide, {3, true}), ErrorCode::kInvalidModel, "1_Pooling/config.json",
              "word_embedding_dimension", "999", "3");
}

}  // namespace
}  // namespace akin::pooling
