// Numbers at the edges: what a damaged or badly scaled model computes with, and the floating-point
// environment that it is computed in.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "akin/embedder.h"
#include "akin/system.h"
#include "akin/tokenizer.h"

#include "base/floating_point.h"
#include "formats/safetensors.h"
#include "kernels/kernels.h"
#include "support/expect_error.h"
#include "support/print.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

namespace fs = std::filesystem;

const std::string kTinyModel = std::string(AKIN_TEST_DATA) + "/models/bert-mean";
constexpr std::string_view kWordTable = "embeddings.word_embeddings.weight";

// A copy of a tiny model with some numbers replaced.
class ChangedModel {
 public:
  // `change` gets every number of the tensors whose name contains `part`, and its index.
  ChangedModel(std::string_view part, const std::function<float(float, size_t)>& change) {
    fs::copy(kTinyModel, folder_ / "model", fs::copy_options::recursive);
    const fs::path file = folder_ / "model/model.safetensors";
    std::string bytes;
    {
      std::ifstream in(file, std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(in), {});
    }
    const auto entries =
        formats::ParseSafetensors(std::as_bytes(std::span(bytes)), "model.safetensors").value();
    for (const formats::SafetensorsEntry& entry : entries) {
      if (entry.name.find(part) == std::string::npos || entry.dtype != "F32") continue;
      char* numbers =
          bytes.data() + (reinterpret_cast<const char*>(entry.bytes.data()) - bytes.data());
      for (size_t i = 0; i < entry.bytes.size() / sizeof(float); ++i) {
        float x;
        std::memcpy(&x, numbers + i * sizeof x, sizeof x);
        x = change(x, i);
        std::memcpy(numbers + i * sizeof x, &x, sizeof x);
      }
    }
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }
  std::string path() const { return folder_ / "model"; }

 private:
  TemporaryFolder folder_;
};

std::vector<LoadOptions> EveryTierAndPrecision() {
  std::vector<LoadOptions> all;
  for (const IsaStatus& status : DescribeSystem().isas) {
    if (!status.usable) continue;
    for (const Precision precision : kernels::kPrecisions) {
      all.push_back({.precision = precision, .isa = status.isa, .num_threads = 2});
    }
  }
  return all;
}

std::string OptionsName(const testing::TestParamInfo<LoadOptions>& info) {
  std::string name =
      std::string(IsaName(info.param.isa)) + '_' + std::string(PrecisionName(info.param.precision));
  std::ranges::replace(name, '-', '_');
  return name;
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool AllFinite(const Embeddings& e) {
  return std::ranges::all_of(std::span(e.vectors().data(), e.size() * e.dimension()),
                             [](float x) { return std::isfinite(x); });
}

const std::vector<std::string> kTexts = {"a cat", "the quick vector finds a house", "database", ""};

class ExtremeNumbers : public testing::TestWithParam<LoadOptions> {};

TEST_P(ExtremeNumbers, DenormalWeightsGiveFiniteVectorsThatAreTheSameAloneAndInABatch) {
  const ChangedModel model("dense.weight", [](float x, size_t) { return x * 1e-39f; });
  const Embedder embedder = Embedder::Load(model.path(), GetParam()).value();
  const Embeddings together = embedder.Embed(kTexts).value();
  EXPECT_TRUE(AllFinite(together));
  for (size_t i = 0; i < kTexts.size(); ++i)
    EXPECT_TRUE(SameBits(together[i], embedder.Embed({kTexts[i]}).value()[0])) << i;
}

TEST_P(ExtremeNumbers, DenormalEmbeddingsGiveFiniteVectors) {
  const ChangedModel model(kWordTable, [](float x, size_t) { return x * 1e-38f; });
  const Embedder embedder = Embedder::Load(model.path(), GetParam()).value();
  EXPECT_TRUE(AllFinite(embedder.Embed(kTexts).value()));
}

// The sums overflow somewhere: what comes out is an error, or finite.
TEST_P(ExtremeNumbers, HugeWeightsNeverGiveAVectorThatIsNotFinite) {
  for (const float huge : {1e20f, 3e38f}) {
    const ChangedModel model("intermediate.dense.weight",
                             [huge](float x, size_t) { return std::copysign(huge, x); });
    const auto embedder = Embedder::Load(model.path(), GetParam());
    if (!embedder) {
      ExpectError(embedder, ErrorCode::kInternal, "not finite");
      continue;
    }
    const auto vectors = embedder->Embed(kTexts);
    if (vectors) {
      EXPECT_TRUE(AllFinite(*vectors));
    } else {
      ExpectError(vectors, ErrorCode::kInternal, "not finite");
    }
  }
}

TEST_P(ExtremeNumbers, ANanInOneWordIsAnErrorOfTextsWithThatWordAlone) {
  // The row of a word that no test text but the last one has.
  const std::string word = "database";
  const Embedder whole = Embedder::Load(kTinyModel, GetParam()).value();
  const std::vector<std::string> others = {"a cat", "the quick vector finds a house"};
  const Embeddings expected = whole.Embed(others).value();
  const size_t hidden = static_cast<size_t>(whole.Info().hidden_size);
  const int32_t id = [&] {
    const Tokenizer tokenizer = Tokenizer::Load(kTinyModel).value();
    return tokenizer.Encode(word).value().ids[1];
  }();
  const ChangedModel model(kWordTable, [&](float x, size_t i) {
    return i / hidden == static_cast<size_t>(id) ? std::numeric_limits<float>::quiet_NaN() : x;
  });
  const Embedder embedder = Embedder::Load(model.path(), GetParam()).value();
  const Embeddings vectors = embedder.Embed(others).value();
  for (size_t i = 0; i < others.size(); ++i)
    EXPECT_TRUE(SameBits(vectors[i], expected[i])) << others[i];
  ExpectError(embedder.Embed({"a cat", word}), ErrorCode::kInternal, "text 1", "not finite");
}

TEST_P(ExtremeNumbers, TheCallersFloatingPointModeChangesNoBitAndIsLeftAsItWas) {
  LoadOptions alone = GetParam();
  alone.num_threads = 1;  // The caller's own thread computes.
  const Embedder embedder = Embedder::Load(kTinyModel, alone).value();
  const Embeddings expected = embedder.Embed(kTexts).value();
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  const auto vectors = embedder.Embed(kTexts);
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetround(FE_TONEAREST);
  ASSERT_TRUE(vectors);
  for (size_t i = 0; i < kTexts.size(); ++i) EXPECT_TRUE(SameBits((*vectors)[i], expected[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Tiers, ExtremeNumbers, testing::ValuesIn(EveryTierAndPrecision()),
                         OptionsName);

// Half of the smallest normal number, computed where the compiler cannot.
float HalfOfTheLeastNormal() {
  volatile float x = std::numeric_limits<float>::min();
  volatile float half = x * 0.5f;
  return half;
}

TEST(FlushDenormals, FlushesInItsScopeOnly) {
  EXPECT_GT(HalfOfTheLeastNormal(), 0.0f);
  {
    const ScopedFlushDenormals flush;
    EXPECT_EQ(HalfOfTheLeastNormal(), 0.0f);
  }
  EXPECT_GT(HalfOfTheLeastNormal(), 0.0f);
}

TEST(FlushDenormals, IsNotLeftBehindInTheCallersThread) {
  const Embedder embedder = Embedder::Load(kTinyModel, {.num_threads = 2}).value();
  EXPECT_GT(HalfOfTheLeastNormal(), 0.0f);
  EXPECT_TRUE(embedder.Embed({"a cat"}));
  EXPECT_GT(HalfOfTheLeastNormal(), 0.0f);
}

}  // namespace
}  // namespace akin
