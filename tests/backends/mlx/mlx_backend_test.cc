// On MLX's real library, beside the native engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "akin/embedder.h"

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

const std::string kModel = std::string(AKIN_TEST_DATA) + "/models/bert-mean";

Result<Embedder> LoadMlx(const std::string& model, Precision precision = Precision::kAuto) {
  return Embedder::Load(model, {.backend = BackendKind::kMlx, .precision = precision});
}

// Of every length from a word to more than the model takes.
std::vector<std::string> Texts(size_t count) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    std::string text;
    for (size_t word = 0; word < i * i % 70; ++word)
      text += (word + i) % 3 == 0 ? "the cat " : "sat down ";
    texts.push_back(text);
  }
  return texts;
}

float LargestDifference(std::span<const float> a, std::span<const float> b) {
  float largest = 0.0f;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST(MlxBackend, GivesTheVectorsOfTheNativeEngineInAnyCompany) {
  const auto texts = Texts(60);
  const Embeddings native =
      Embedder::Load(kModel, {.precision = Precision::kF32}).value().Embed(texts).value();
  const std::map<Precision, float> bounds = {
      {Precision::kF32, 1e-5f}, {Precision::kF16, 2e-3f}, {Precision::kBf16, 2e-2f}};
  for (const auto& [precision, bound] : bounds) {
    const Embedder mlx = LoadMlx(kModel, precision).value();
    const Embeddings together = mlx.Embed(texts).value();
    ASSERT_EQ(together.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_LT(LargestDifference(together[i], native[i]), bound)
          << PrecisionName(precision) << ", text " << i;
      const Embeddings alone = mlx.Embed({texts[i]}).value();
      EXPECT_LT(LargestDifference(alone[0], native[i]), bound)
          << PrecisionName(precision) << ", text " << i << " alone";
    }
  }
}

TEST(MlxBackend, CallersFromManyThreadsGetTheirOwnVectors) {
  const Embedder mlx = LoadMlx(kModel).value();
  const auto texts = Texts(24);
  const Embeddings expected = mlx.Embed(texts).value();
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (size_t round = 0; round < 30; ++round) {
        const size_t i = (round * 7 + caller * 5) % texts.size();
        const auto own = mlx.Embed({texts[i]});
        if (!own || LargestDifference((*own)[0], expected[i]) > 1e-5f) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(MlxBackend, SaysWhatItRunsOn) {
  const ModelInfo info = LoadMlx(kModel, Precision::kBf16).value().Info();
  EXPECT_EQ(info.backend, "mlx");
  EXPECT_EQ(info.precision, "bf16");
  EXPECT_TRUE(info.isa == "cpu" || info.isa == "gpu") << info.isa;
  EXPECT_FALSE(info.batch_invariant);
}

TEST(MlxBackend, RefusesAPrecisionThatItDoesNotHave) {
  for (const Precision precision :
       {Precision::kInt8, Precision::kW8, Precision::kInt16, Precision::kBf16x3}) {
    const auto embedder = LoadMlx(kModel, precision);
    ASSERT_FALSE(embedder);
    EXPECT_EQ(embedder.error().code(), ErrorCode::kInvalidInput);
    EXPECT_NE(embedder.error().message().find("f32, f16 and bf16"), std::string::npos);
  }
}

// A model that it loads has the native engine's vectors; any other one is refused by name.
TEST(MlxBackend, NeverComputesAnArchitectureThatItDoesNotKnow) {
  size_t computed = 0, refused = 0;
  for (const char* archive : {"shared", "variants"}) {
    for (const auto& folder :
         std::filesystem::directory_iterator(std::string(AKIN_GOLDEN_MODELS) + "/" + archive)) {
      if (!folder.is_directory()) continue;
      const std::string path = folder.path();
      const auto native = Embedder::Load(path, {.precision = Precision::kF32});
      if (!native || !native->Info().Gives(Output::kDense)) continue;
      const auto mlx = LoadMlx(path);
      if (!mlx) {
        EXPECT_EQ(mlx.error().code(), ErrorCode::kUnsupportedModel) << path;
        EXPECT_NE(mlx.error().message().find("config.json"), std::string::npos)
            << path << ": " << mlx.error().message();
        ++refused;
        continue;
      }
      const std::vector<std::string> texts = {"a cat", "", "the quick brown fox jumps over it"};
      const Embeddings a = native->Embed(texts).value(), b = mlx->Embed(texts).value();
      for (size_t i = 0; i < texts.size(); ++i)
        EXPECT_LT(LargestDifference(a[i], b[i]), 1e-4f) << path << ", text " << i;
      ++computed;
    }
  }
  EXPECT_GT(computed, 3u);
  EXPECT_GT(refused, 10u);
}

// It is of the BERT family in everything else where its attention is not disentangled.
TEST(MlxBackend, RefusesDebertasConvolution) {
  const TemporaryFolder folder;
  std::filesystem::copy(kModel, folder.path() / "model", std::filesystem::copy_options::recursive);
  const auto load = [&](std::string_view more) {
    std::string config =
        R"({"model_type": "deberta-v2", "hidden_size": 64, "num_hidden_layers": 3,
            "num_attention_heads": 4, "intermediate_size": 256, "hidden_act": "gelu",
            "max_position_embeddings": 128, "type_vocab_size": 2, "vocab_size": 700,
            "pad_token_id": 0, "relative_attention": false)";
    folder.Write("model/config.json", config.append(more).append("}"));
    return LoadMlx((folder.path() / "model").string());
  };
  // Without it only the names of the weights, which are BERT's, are wrong.
  ExpectError(load(""), ErrorCode::kInvalidModel, "model.safetensors", "query_proj");
  ExpectError(load(R"(, "conv_kernel_size": 3)"), ErrorCode::kUnsupportedModel, "config.json",
              "deberta-v2", "a convolution");
}

}  // namespace
}  // namespace akin
