#include "cli/suggestion.h"

#include <gtest/gtest.h>

namespace akin::cli {
namespace {

const std::vector<std::string> kNames = {"model", "max-tokens", "no-normalize", "input", "isa"};

TEST(Suggestion, DistanceCountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("model", "modle"), 1u);
  EXPECT_EQ(EditDistance("model", "mdel"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(Suggestion, MistypedNameFindsTheNearest) {
  EXPECT_EQ(NearestName("modle", kNames), "model");
  EXPECT_EQ(NearestName("max-token", kNames), "max-tokens");
  EXPECT_EQ(NearestName("max_tokens", kNames), "max-tokens");
  EXPECT_EQ(NearestName("no-norm", kNames), "no-normalize");
}

TEST(Suggestion, NothingNearGivesNoSuggestion) {
  EXPECT_EQ(NearestName("frobnicate", kNames), std::nullopt);
  EXPECT_EQ(NearestName("", kNames), std::nullopt);
  EXPECT_EQ(NearestName(std::string(1'000'000, 'm'), kNames), std::nullopt);
}

}  // namespace
}  // namespace akin::cli
