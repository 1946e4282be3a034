#include "akin/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "akin/system.h"

namespace akin {
namespace {

const std::string kTinyModel = std::string(AKIN_TEST_DATA) + "/models/bert-mean";

const StageTime* Find(const StageProfile& profile, std::string_view stage) {
  const auto found = std::ranges::find(profile.stages, stage, &StageTime::stage);
  return found == profile.stages.end() ? nullptr : &*found;
}

// A parameter outside of tables, norms and biases is one multiplication and one addition a token.
double OperationsAToken(const Embedder& embedder) {
  const ModelInfo& info = embedder.Info();
  const double hidden = info.hidden_size, intermediate = 4 * hidden;  // Of the tiny model.
  return 2.0 * info.num_layers * hidden * (4 * hidden + 2 * intermediate);
}

class ProfileStagesOn : public testing::TestWithParam<int> {};

TEST_P(ProfileStagesOn, CountsEveryProductOnceHoweverItIsShared) {
  const Embedder embedder =
      Embedder::Load(kTinyModel, {.precision = Precision::kF32, .num_threads = GetParam()}).value();
  const std::vector<std::string> texts = {"a cat", "the quick vector finds a house", "database"};
  const StageProfile profile = ProfileStages(embedder, texts).value();
  const auto tokens = static_cast<double>(embedder.Embed(texts).value().usage().total_tokens);

  double operations = 0, thread_ms = 0;
  for (const StageTime& stage : profile.stages) {
    if (stage.kernel == "linear") operations += stage.operations;
    thread_ms += stage.thread_ms;
    EXPECT_GT(stage.calls, 0) << stage.stage;
    EXPECT_GE(stage.thread_ms, 0) << stage.stage;
  }
  EXPECT_DOUBLE_EQ(operations, tokens * OperationsAToken(embedder));
  EXPECT_EQ(profile.num_threads, GetParam());
  EXPECT_LE(thread_ms, profile.wall_ms * GetParam());
  EXPECT_LE(profile.tokenize_ms, profile.wall_ms);
}

INSTANTIATE_TEST_SUITE_P(Threads, ProfileStagesOn, testing::Values(1, 2, 3));

TEST(ProfileStages, KnowsEveryStageOfABertLayer) {
  const Embedder embedder = Embedder::Load(kTinyModel, {.num_threads = 1}).value();
  const std::vector<std::string> texts = {"a cat sleeps"};
  const StageProfile profile = ProfileStages(embedder, texts).value();
  for (const char* stage : {"embeddings", "query, key, value", "attention", "attention output",
                            "feed-forward up", "feed-forward down", "norms", "pooling"}) {
    EXPECT_NE(Find(profile, stage), nullptr) << stage;
  }
  ASSERT_NE(Find(profile, "attention"), nullptr);
  EXPECT_EQ(Find(profile, "attention")->calls, embedder.Info().num_layers);
}

TEST(ProfileStages, CountsAttentionByThePairsOfTokens) {
  const Embedder embedder = Embedder::Load(kTinyModel, {.num_threads = 1}).value();
  const auto attention = [&](std::vector<std::string> texts) {
    return Find(ProfileStages(embedder, texts).value(), "attention")->operations;
  };
  const double tokens = embedder.Embed({"a cat"}).value().num_tokens(0);
  EXPECT_DOUBLE_EQ(attention({"a cat"}), 4.0 * embedder.Info().num_layers *
                                             embedder.Info().hidden_size * tokens * tokens);
  EXPECT_DOUBLE_EQ(attention({"a cat", "a cat"}), 2 * attention({"a cat"}));
}

TEST(ProfileStages, GivesTheErrorsOfEmbed) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  const std::vector<std::string> texts = {"bro\xFFken"};
  const auto profile = ProfileStages(embedder, texts);
  ASSERT_FALSE(profile);
  EXPECT_EQ(profile.error().code(), ErrorCode::kInvalidInput);
}

TEST(MeasureMachinePeak, MeasuresWhatTheTierMultipliesInAndEveryLevelOfTheMemory) {
  std::vector<Isa> usable;
  for (const IsaStatus& status : DescribeSystem().isas) {
    if (status.usable) usable.push_back(status.isa);
  }
  for (const Isa isa : {usable.front(), usable.back()}) {
    const MachinePeak peak = MeasureMachinePeak(isa, 2).value();
    EXPECT_EQ(peak.num_threads, 2);
    for (const MachinePeak::Arithmetic& a : peak.arithmetic)
      EXPECT_GT(a.operations_per_second, 1e6) << PrecisionName(a.precision);
    ASSERT_FALSE(peak.read_rates.empty());
    EXPECT_EQ(peak.read_rates.back().level, "memory");
    for (const MachinePeak::ReadRate& rate : peak.read_rates)
      EXPECT_GT(rate.bytes_per_second, 1e6) << rate.level;
  }
}

}  // namespace
}  // namespace akin
