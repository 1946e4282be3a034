// What holds for every architecture, on the golden models: a text has one vector, alone and in any
// batch, on any number of threads, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embedder.h"

namespace akin {
namespace {

struct Case {
  std::filesystem::path folder;
  Precision precision;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.folder.filename().string() << ' ' << PrecisionName(c.precision);
}

// One model for each phase variant; the others differ in numbers only.
std::vector<Case> Cases() {
  const std::filesystem::path root(AKIN_GOLDEN_MODELS);
  std::vector<Case> cases;
  for (const char* name :
       {"shared/albert",          "shared/deberta-v2",       "shared/distilbert",
        "shared/electra",         "shared/gemma2",           "shared/gpt-neox",
        "shared/gte-hub",         "shared/jina-bert-v2",     "shared/modernbert",
        "shared/mpnet",           "shared/nomic-bert",       "shared/qwen3",
        "shared/roberta",         "shared/t5-gated",         "variants/albert-groups",
        "variants/bert-quick",    "variants/deberta-conv",   "variants/deberta-p2c",
        "variants/gemma3-causal", "variants/llama-longrope", "variants/mpnet-odd",
        "variants/neox-serial"}) {
    for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8})
      cases.push_back({root / name, precision});
  }
  return cases;
}

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.folder.filename().string() + '_' +
                     std::string(PrecisionName(info.param.precision));
  std::ranges::replace(name, '-', '_');
  return name;
}

std::vector<std::string> Texts() {
  std::vector<std::string> texts = {"", "a", "the river weighs a jar of honey", "<pad> [PAD] </s>"};
  std::string text;
  for (int i = 0; i < 24; ++i) {
    text += i % 3 == 0 ? " the orchestra" : i % 3 == 1 ? " keeps a timetable," : " 12.50";
    if (i % 2 == 0) texts.push_back(text);
  }
  return texts;
}

class EveryArchitecture : public testing::TestWithParam<Case> {};

TEST_P(EveryArchitecture, ATextHasTheSameBitsAloneAndInAnyBatchOnAnyNumberOfThreads) {
  const std::string folder = GetParam().folder.string();
  const std::vector<std::string> texts = Texts();
  const auto load = [&](int threads, int batch_tokens) {
    return Embedder::Load(
        folder,
        {.precision = GetParam().precision, .num_threads = threads, .batch_tokens = batch_tokens});
  };
  const auto one = load(1, 0);
  ASSERT_TRUE(one) << one.error().message();
  const auto together = one->Embed(texts);
  ASSERT_TRUE(together) << together.error().message();
  const auto team = load(3, 64);
  ASSERT_TRUE(team) << team.error().message();
  const auto by_team = team->Embed(texts);
  ASSERT_TRUE(by_team) << by_team.error().message();
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto alone = one->Embed(std::vector<std::string>{texts[i]});
    ASSERT_TRUE(alone) << alone.error().message();
    const size_t bytes = (*alone)[0].size_bytes();
    EXPECT_EQ(std::memcmp((*alone)[0].data(), (*together)[i].data(), bytes), 0) << "text " << i;
    EXPECT_EQ(std::memcmp((*alone)[0].data(), (*by_team)[i].data(), bytes), 0)
        << "text " << i << " by a team";
  }
}

// Pooling by the first token leaves the other rows of the last layer out.
TEST_P(EveryArchitecture, AFirstTokenHasTheSameBitsWhereTheOthersAreLeftOut) {
  const std::string folder = GetParam().folder.string();
  const std::vector<std::string> texts = Texts();
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const int threads : {1, 3}) {
    const auto embedder = Embedder::Load(folder, {.precision = GetParam().precision,
                                                  .num_threads = threads,
                                                  .batch_tokens = threads == 1 ? 0 : 96,
                                                  .pooling = PoolingMode::kCls});
    ASSERT_TRUE(embedder) << embedder.error().message();
    const auto first = embedder->Embed(texts, {.normalize = false});
    const auto tokens = embedder->EmbedTokens(views);
    ASSERT_TRUE(first && tokens);
    for (size_t i = 0; i < texts.size(); ++i) {
      if ((*tokens)[i].rows() == 0) continue;
      EXPECT_EQ(
          std::memcmp((*first)[i].data(), (*tokens)[i].row(0).data(), (*first)[i].size_bytes()), 0)
          << "text " << i << " on " << threads << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, EveryArchitecture, testing::ValuesIn(Cases()), CaseName);

}  // namespace
}  // namespace akin
