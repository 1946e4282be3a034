// The whole way of a text on a tiny BERT, and on the real default model where it is there.
#include "akin/embedder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "akin/system.h"

#include "kernels/kernels.h"
#include "support/print.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

const std::string kTinyModel = std::string(AKIN_TEST_DATA) + "/models/bert-mean";

std::vector<Isa> UsableIsas() {
  std::vector<Isa> isas;
  for (const IsaStatus& status : DescribeSystem().isas) {
    if (status.usable) isas.push_back(status.isa);
  }
  return isas;
}

// Texts of all lengths from the empty one to beyond the limit, some of them equal.
std::vector<std::string> MixedTexts(size_t count, size_t most_words, unsigned seed) {
  const std::vector<std::string> words = {"the",        "quick", "vector", "finds",   "3.14",
                                          "neighbours", "Über",  "a",      "house",   "日本",
                                          "and",        "cat",   "!",      "database"};
  std::mt19937 generator(seed);
  std::vector<std::string> texts(count);
  for (std::string& text : texts) {
    const size_t length = generator() % 4 == 0 ? generator() % (most_words + 1) : generator() % 12;
    for (size_t i = 0; i < length; ++i) text += words[generator() % words.size()] + " ";
  }
  return texts;
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Embeds random selections of `texts` as batches and compares every vector with that of the text
// alone.
void ExpectBatchEqualsAlone(const std::string& model, LoadOptions options,
                            const std::vector<std::string>& texts, int num_batches) {
  options.num_threads = 1;
  const Embedder alone = Embedder::Load(model, options).value();
  std::vector<std::vector<float>> expected;
  for (const std::string& text : texts) {
    const Embeddings e = alone.Embed({text}).value();
    expected.emplace_back(e[0].begin(), e[0].end());
  }
  std::mt19937 generator(1);
  constexpr int kThreads[] = {1, 2, 3, 4}, kBudgets[] = {1, 64, 500};
  constexpr int kSettings = std::size(kThreads) * std::size(kBudgets);
  const int rounds = (num_batches + kSettings - 1) / kSettings;
  for (const int num_threads : kThreads) {
    for (const int batch_tokens : kBudgets) {
      options.num_threads = num_threads;
      options.batch_tokens = batch_tokens;
      const Embedder embedder = Embedder::Load(model, options).value();
      for (int round = 0; round < rounds; ++round) {
        std::vector<size_t> chosen(1 + generator() % 40);
        std::vector<std::string> batch;
        for (size_t& i : chosen) batch.push_back(texts[i = generator() % texts.size()]);
        const Embeddings e = embedder.Embed(batch).value();
        ASSERT_EQ(e.size(), batch.size());
        for (size_t i = 0; i < batch.size(); ++i) {
          ASSERT_TRUE(SameBits(e[i], expected[chosen[i]]))
              << "text " << i << " of " << batch.size() << " on " << num_threads
              << " threads, budget " << batch_tokens << ", " << IsaName(options.isa) << ' '
              << PrecisionName(options.precision);
        }
      }
    }
  }
}

// Loading options with one tier and one precision.
std::vector<LoadOptions> EveryTierAndPrecision() {
  std::vector<LoadOptions> all;
  for (const Isa isa : UsableIsas()) {
    for (const Precision precision : kernels::kPrecisions)
      all.push_back({.precision = precision, .isa = isa});
  }
  return all;
}

// Whether a tier takes seconds where others take milliseconds. The program that runs `amx` under an
// emulator (support/amx_emulator.h) says so in the name of its CPU.
bool IsSlow(Isa isa) {
  const bool emulated = DescribeSystem().cpu.find("emulated AMX") != std::string::npos;
  return isa == Isa::kScalar || (isa == Isa::kAmx && emulated);
}

// The best tier of the CPU itself.
Isa BestIsa() {
  Isa best = Isa::kScalar;
  for (const Isa isa : UsableIsas()) {
    if (!IsSlow(isa)) best = isa;
  }
  return best;
}

// Of the long form (./dev proof).
std::optional<int> NumBatchesAsked() {
  const char* asked = std::getenv("AKIN_TEST_BATCHES");
  return asked == nullptr ? std::nullopt : std::optional(std::atoi(asked));
}

// The real model: the best tier in every precision, and every other vector tier in f32. Emulated
// tiles have to do with bf16. In the long form all but what is slow.
std::vector<LoadOptions> TiersForARealModel() {
  std::vector<LoadOptions> all;
  if (NumBatchesAsked()) {
    std::ranges::copy_if(EveryTierAndPrecision(), std::back_inserter(all),
                         [](const LoadOptions& options) { return !IsSlow(options.isa); });
    return all;
  }
  for (const LoadOptions& options : EveryTierAndPrecision()) {
    if (IsSlow(options.isa)) {
      if (options.isa == Isa::kAmx && options.precision == Precision::kBf16) all.push_back(options);
    } else if (options.isa == BestIsa() || options.precision == Precision::kF32) {
      all.push_back(options);
    }
  }
  return all;
}

std::string OptionsTestName(const testing::TestParamInfo<LoadOptions>& info) {
  std::string name(IsaName(info.param.isa));
  std::ranges::replace(name, '-', '_');  // A test's name takes no hyphen.
  return name + '_' + std::string(PrecisionName(info.param.precision));
}

int NumBatches(const LoadOptions& options) {
  return NumBatchesAsked().value_or(IsSlow(options.isa) ? 36 : 300);
}

class BatchInvariance : public testing::TestWithParam<LoadOptions> {};

TEST_P(BatchInvariance, ATextHasTheSameBitsAloneAndInAnyBatchOnAnyNumberOfThreads) {
  const size_t texts = IsSlow(GetParam().isa) ? 20 : 60;
  ExpectBatchEqualsAlone(kTinyModel, GetParam(), MixedTexts(texts, 80, 2), NumBatches(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Tiers, BatchInvariance, testing::ValuesIn(EveryTierAndPrecision()),
                         OptionsTestName);

class BatchInvarianceOfARealModel : public testing::TestWithParam<LoadOptions> {};

TEST_P(BatchInvarianceOfARealModel, ATextHasTheSameBitsAloneAndInAnyBatch) {
  const char* model = std::getenv("AKIN_TEST_MODEL");
  if (model == nullptr)
    GTEST_SKIP() << "AKIN_TEST_MODEL does not name the folder of all-MiniLM-L6-v2";
  const bool slow = IsSlow(GetParam().isa);
  // Each takes twenty times as long as one of the tiny model's.
  const int batches = NumBatchesAsked() ? *NumBatchesAsked() / 20 : slow ? 4 : 24;
  ExpectBatchEqualsAlone(model, GetParam(), slow ? MixedTexts(5, 60, 3) : MixedTexts(16, 300, 3),
                         batches);
}

// None on a machine without vector tiers.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BatchInvarianceOfARealModel);
INSTANTIATE_TEST_SUITE_P(Tiers, BatchInvarianceOfARealModel,
                         testing::ValuesIn(TiersForARealModel()), OptionsTestName);

TEST(Embedder, ManyThreadsGetTheirOwnVectors) {
  const Embedder embedder = Embedder::Load(kTinyModel, {.num_threads = 3}).value();
  const std::vector<std::string> texts = MixedTexts(50, 60, 4);
  const Embeddings expected = embedder.Embed(texts).value();
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (unsigned c = 0; c < 8; ++c) {
    callers.emplace_back([&, c] {
      std::mt19937 generator(c);
      for (int round = 0; round < 60; ++round) {
        std::vector<size_t> chosen(1 + generator() % 20);
        std::vector<std::string> batch;
        for (size_t& i : chosen) batch.push_back(texts[i = generator() % texts.size()]);
        const auto e = embedder.Embed(batch);
        for (size_t i = 0; i < batch.size(); ++i) {
          if (!e || !SameBits((*e)[i], expected[chosen[i]])) ++wrong;
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Embedder, VectorsHaveUnitLengthUnlessAskedOtherwise) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  const auto norm = [](std::span<const float> vector) {
    double squares = 0.0;
    for (const float x : vector) squares += double{x} * x;
    return std::sqrt(squares);
  };
  EXPECT_TRUE(embedder.Info().normalize);
  EXPECT_NEAR(norm(embedder.Embed({"a cat"}).value()[0]), 1.0, 1e-6);
  EXPECT_GT(std::abs(norm(embedder.Embed({"a cat"}, {.normalize = false}).value()[0]) - 1.0), 1e-3);
}

TEST(Embedder, NoTextsGiveNoVectors) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  const Embeddings e = embedder.Embed(std::vector<std::string>()).value();
  EXPECT_EQ(e.size(), 0u);
  EXPECT_EQ(e.vectors().rows(), 0u);
  EXPECT_EQ(e.usage().total_tokens, 0);
}

TEST(Embedder, AnEmptyTextIsATextOfSpecialTokens) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  const Embeddings e = embedder.Embed({"", "a cat", ""}).value();
  EXPECT_EQ(e.num_tokens(0), 2);
  EXPECT_TRUE(SameBits(e[0], e[2]));
  EXPECT_FALSE(SameBits(e[0], e[1]));
}

// A copy of a tiny model whose tokenizer.json has another post-processor.
class ModelWithPostProcessor {
 public:
  ModelWithPostProcessor(const std::string& model, const std::string& post_processor) {
    std::filesystem::copy(std::string(AKIN_TEST_DATA) + "/models/" + model, path(),
                          std::filesystem::copy_options::recursive);
    const std::string file = path() + "/tokenizer.json";
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    std::string json = text.str();
    const size_t key = json.find("\"post_processor\""), begin = json.find('{', key);
    size_t end = begin;
    for (int depth = 0; depth > 0 || end == begin; ++end) {
      depth += json[end] == '{' ? 1 : json[end] == '}' ? -1 : 0;
    }
    std::ofstream(file) << json.replace(begin, end - begin, post_processor);
  }
  std::string path() const { return folder_.path() / "model"; }

 private:
  TemporaryFolder folder_;
};

TEST(Embedder, ATextWithoutTokensHasAVectorOfZerosInAnyCompany) {
  for (const char* base : {"bert-mean", "bert-max", "bert-lasttoken", "bert-weightedmean"}) {
    const ModelWithPostProcessor model(base, "null");
    const Embedder embedder = Embedder::Load(model.path()).value();
    const Embeddings e = embedder.Embed({"a cat", "", "another"}).value();
    EXPECT_EQ(e.num_tokens(1), 0);
    EXPECT_TRUE(std::ranges::all_of(e[1], [](float x) { return x == 0.0f; })) << base;
    EXPECT_TRUE(SameBits(e[1], embedder.Embed({""}).value()[0])) << base;
    EXPECT_TRUE(SameBits(e[2], embedder.Embed({"another"}).value()[0])) << base;
  }
}

TEST(Embedder, ATemplateThatUsesTheTextTwiceNeverReadsPastTheTables) {
  const ModelWithPostProcessor model(
      "bert-mean",
      R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}},
          {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
          {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {}})");
  const auto embedder = Embedder::Load(model.path());
  ASSERT_TRUE(embedder);
  std::string long_text;
  for (int i = 0; i < 1000; ++i) long_text += "a ";
  const auto e = embedder->Embed({long_text});
  ASSERT_FALSE(e);
  EXPECT_EQ(e.error().code(), ErrorCode::kInvalidModel);
  EXPECT_TRUE(embedder->Embed({"a"}));
}

TEST(Embedder, CountsTokensExactlyAndSaysWhatWasCut) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  std::string long_text;
  for (int i = 0; i < 1000; ++i) long_text += "a ";
  const int limit = embedder.Info().max_tokens;
  const Embeddings e = embedder.Embed({"a", long_text}).value();
  EXPECT_EQ(e.num_tokens(0), 3);
  EXPECT_EQ(e.truncated(0), 0);
  EXPECT_EQ(e.num_tokens(1), limit);
  EXPECT_EQ(e.truncated(1), 1002 - limit);
  EXPECT_EQ(e.usage().total_tokens, 3 + limit);
  EXPECT_EQ(e.usage().truncated_texts, 1);
  EXPECT_EQ(e.usage().truncated_tokens, 1002 - limit);
  EXPECT_GE(e.usage().duration_ms, e.usage().compute_ms);
}

TEST(Embedder, TheLimitCanBeSetPerCall) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  const Embeddings e = embedder.Embed({"a a a a a a a a"}, {.max_tokens = 5}).value();
  EXPECT_EQ(e.num_tokens(0), 5);
  EXPECT_TRUE(SameBits(e[0], embedder.Embed({"a a a"}).value()[0]));
}

void ExpectInvalidInput(const Result<Embeddings>& result, std::string_view mention) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalidInput);
  EXPECT_NE(result.error().message().find(mention), std::string::npos) << result.error().message();
}

TEST(Embedder, ALimitBeyondThePositionsIsRefused) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  const int positions = embedder.Info().max_positions;
  EXPECT_TRUE(embedder.Embed({"a"}, {.max_tokens = positions}));
  ExpectInvalidInput(embedder.Embed({"a"}, {.max_tokens = positions + 1}), "max_tokens");
  ExpectInvalidInput(embedder.Embed({"a"}, {.max_tokens = 0}), "max_tokens");
  ExpectInvalidInput(embedder.Embed({"a"}, {.max_tokens = -5}), "max_tokens");
}

TEST(Embedder, ALongTextIsRefusedWhenTruncationIsOff) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  ExpectInvalidInput(
      embedder.Embed({"a", "a a a a a a"}, {.max_tokens = 5, .overflow = Overflow::kError}),
      "text 1 has 8 tokens");
}

TEST(Embedder, InvalidUtf8NamesTheTextAndTheByte) {
  const Embedder embedder = Embedder::Load(kTinyModel).value();
  ExpectInvalidInput(embedder.Embed({"fine", "bro\xFFken"}), "text 1");
  ExpectInvalidInput(embedder.Embed({"fine", "bro\xFFken"}), "3");
}

TEST(Embedder, OptionsOutOfRangeAreRefusedAtLoad) {
  for (const LoadOptions& options :
       {LoadOptions{.num_threads = -1}, LoadOptions{.num_threads = 1 << 20},
        LoadOptions{.batch_tokens = -1}, LoadOptions{.batch_tokens = 1 << 30}}) {
    const auto embedder = Embedder::Load(kTinyModel, options);
    ASSERT_FALSE(embedder);
    EXPECT_EQ(embedder.error().code(), ErrorCode::kInvalidInput);
  }
}

TEST(Embedder, AModelThatIsNotThereIsNotFound) {
  const auto embedder = Embedder::Load("/no/such/folder");
  ASSERT_FALSE(embedder);
  EXPECT_EQ(embedder.error().code(), ErrorCode::kModelNotFound);
  EXPECT_NE(embedder.error().message().find("/no/such/folder"), std::string::npos);
}

TEST(Embedder, HealthAndInfoDescribeTheLoadedModel) {
  const Embedder embedder = Embedder::Load(kTinyModel, {.num_threads = 2}).value();
  EXPECT_TRUE(embedder.Health());
  const ModelInfo& info = embedder.Info();
  EXPECT_EQ(info.model, "bert-mean");
  EXPECT_EQ(info.architecture, "bert");
  EXPECT_EQ(info.pooling, "mean");
  EXPECT_EQ(info.backend, "native");
  EXPECT_EQ(info.num_threads, 2);
  EXPECT_TRUE(info.batch_invariant);
  EXPECT_EQ(static_cast<size_t>(info.dimension), embedder.Embed({"x"}).value().dimension());
}

}  // namespace
}  // namespace akin
