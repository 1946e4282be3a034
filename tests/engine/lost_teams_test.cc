// In a program of its own: what it records is this process's.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "akin/profile.h"
#include "akin/system.h"

#include "engine/team_backoff.h"

namespace akin::engine {
namespace {

bool HasMet(const StageProfile& profile) {
  return std::ranges::find(profile.stages, "waiting for the team", &StageTime::stage) !=
         profile.stages.end();
}

TEST(LostTeams, SingleThreadsComputeUntilTheLossIsMadeUpFor) {
  // Fewer batches than threads, and enough work for a team.
  const Embedder embedder = Embedder::Load(std::string(AKIN_TEST_DATA) + "/models/bert-mean",
                                           {.precision = Precision::kF32, .num_threads = 8})
                                .value();
  std::vector<std::string> texts;
  for (const char* word : {"cat ", "house ", "database "}) {
    std::string text;
    for (int i = 0; i < 60; ++i) text += word;
    texts.push_back(text);
  }
  const StageProfile together = ProfileStages(embedder, texts).value();
  EXPECT_TRUE(HasMet(together));
  const Embeddings vectors = embedder.Embed(texts).value();

  TeamBackoff::ThisMachine().Record(
      {.size = 8, .elapsed = std::chrono::seconds(60), .waited = std::chrono::seconds(60)},
      std::chrono::steady_clock::now());
  const StageProfile apart = ProfileStages(embedder, texts).value();
  EXPECT_FALSE(HasMet(apart));
  const Embeddings same = embedder.Embed(texts).value();
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_TRUE(std::ranges::equal(vectors[i], same[i]));
}

}  // namespace
}  // namespace akin::engine
