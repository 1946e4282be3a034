#include "pooling/pipeline.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/expect_error.h"

namespace akin::pooling {
namespace {

using model::PoolingMode;

// Two sequences of two and one tokens, three values each.
class PipelineTest : public testing::Test {
 protected:
  std::vector<float> Run(const Pipeline& pipeline, int team_size = 1) {
    const BatchView batch{tokens_, segments_};
    std::vector<float> vectors(segments_.size() * pipeline.dimension(), -99.0f);
    Scratch scratch;
    pipeline.Prepare(batch, scratch);
    // Members one after the other: a team of steps that do not meet would show as -99.
    for (int rank = 0; rank < team_size; ++rank) {
      Barrier barrier(1);
      pipeline.Forward(batch, {states_.data(), 3, 3},
                       {.rank = rank, .size = team_size, .barrier = &barrier}, scratch,
                       {vectors.data(), segments_.size(), pipeline.dimension()});
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

TEST_F(PipelineTest, PoolingMakesOneRowOfEachSegment) {
  const std::vector modules{Pool({PoolingMode::kMean})};
  const Pipeline pipeline = Pipeline::Make(modules, {.width = 3}).value();
  EXPECT_EQ(pipeline.dimension(), 3u);
  EXPECT_FALSE(pipeline.normalizes());
  EXPECT_EQ(Run(pipeline), (std::vector<float>{3, 4, 5, 0, 3, 4}));
}

TEST_F(PipelineTest, ASegmentMayBeAPartOfItsSequence) {
  segments_ = {{.begin = 1, .length = 1, .first_position = 1}, {.begin = 2, .length = 1}};
  const std::vector modules{Pool({PoolingMode::kMean})};
  EXPECT_EQ(Run(Pipeline::Make(modules, {.width = 3}).value()),
            (std::vector<float>{5, 6, 7, 0, 3, 4}));
}

TEST_F(PipelineTest, JoinedModesMakeWiderRows) {
  const std::vector modules{Pool({PoolingMode::kCls, PoolingMode::kMax})};
  const Pipeline pipeline = Pipeline::Make(modules, {.width = 3}).value();
  EXPECT_EQ(pipeline.dimension(), 6u);
  EXPECT_EQ(Run(pipeline), (std::vector<float>{1, 2, 3, 5, 6, 7, 0, 3, 4, 0, 3, 4}));
}

TEST_F(PipelineTest, ALastNormalizeIsLeftToTheCaller) {
  const std::vector<model::Module> modules{Pool({PoolingMode::kCls}), model::Normalize{}};
  const Pipeline pipeline = Pipeline::Make(modules, {.width = 3}).value();
  EXPECT_TRUE(pipeline.normalizes());
  EXPECT_EQ(Run(pipeline), (std::vector<float>{1, 2, 3, 0, 3, 4}));
}

TEST_F(PipelineTest, NormalizeBeforePoolingScalesEveryToken) {
  const std::vector<model::Module> modules{model::Normalize{}, Pool({PoolingMode::kLastToken})};
  const std::vector<float> vectors = Run(Pipeline::Make(modules, {.width = 3}).value());
  EXPECT_FLOAT_EQ(vectors[3], 0.0f);
  EXPECT_FLOAT_EQ(vectors[4], 0.6f);
  EXPECT_FLOAT_EQ(vectors[5], 0.8f);
}

TEST_F(PipelineTest, EveryMemberOfATeamDoesItsShare) {
  const std::vector modules{Pool({PoolingMode::kMean})};
  EXPECT_EQ(Run(Pipeline::Make(modules, {.width = 3}).value(), 2),
            (std::vector<float>{3, 4, 5, 0, 3, 4}));
}

TEST_F(PipelineTest, VectorsOfABackendThatPoolsAreCopied) {
  states_ = {1, 2, 3, 4, 5, 6};
  const Pipeline pipeline = Pipeline::Make({}, {.width = 3, .per_token = false}).value();
  EXPECT_EQ(Run(pipeline), states_);
}

TEST_F(PipelineTest, WhatMeansNothingIsRefused) {
  const std::vector<model::Module> normalize{model::Normalize{}};
  ExpectError(Pipeline::Make(normalize, {.width = 3}), ErrorCode::kUnsupportedModel, "Pooling");
  const std::vector<model::Module> twice{Pool({PoolingMode::kCls}), Pool({PoolingMode::kCls})};
  ExpectError(Pipeline::Make(twice, {.width = 3}), ErrorCode::kUnsupportedModel, "1_Pooling");
  const std::vector<model::Module> wide{
      model::Pooling{.folder = "1_Pooling", .modes = {PoolingMode::kCls}, .dimension = 999}};
  ExpectError(Pipeline::Make(wide, {.width = 3}), ErrorCode::kInvalidModel, "1_Pooling/config.json",
              "word_embedding_dimension", "999", "3");
}

}  // namespace
}  // namespace akin::pooling
