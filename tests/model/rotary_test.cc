// Frequencies against numbers of transformers 5.23 (modeling_rope_utils.py), and refusals.
#include "model/rotary.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/expect_error.h"

namespace akin::model {
namespace {

Result<Rotary> Read(const std::string& parameters, RotaryContext context) {
  AKIN_TRY_ASSIGN(const auto document, formats::JsonDocument::Parse(parameters, "config.json"));
  return ReadRotary(document.root(), context);
}

constexpr RotaryContext kContext{.theta = 10000.0, .head_dim = 8, .max_position_embeddings = 256};

void ExpectFrequencies(const Result<Rotary>& rotary, const std::vector<float>& expected) {
  ASSERT_TRUE(rotary) << rotary.error().message();
  ASSERT_EQ(rotary->inverse_frequencies.size(), expected.size());
  for (size_t d = 0; d < expected.size(); ++d)
    EXPECT_FLOAT_EQ(rotary->inverse_frequencies[d], expected[d]) << d;
}

TEST(Rotary, PlainFrequenciesFallByAFactor) {
  ExpectFrequencies(ReadRotary(std::nullopt, kContext), {1.0f, 0.1f, 0.01f, 0.001f});
  ExpectFrequencies(Read("null", kContext), {1.0f, 0.1f, 0.01f, 0.001f});
  ExpectFrequencies(Read("{\"rope_type\":\"default\",\"rope_theta\":16.0}", kContext),
                    {1.0f, 0.5f, 0.25f, 0.125f});
}

TEST(Rotary, PartOfAHeadTurnsWhereTheArchitectureHasThat) {
  RotaryContext context = kContext;
  ExpectFrequencies(Read("{\"partial_rotary_factor\":0.5}", context), {1.0f, 0.1f, 0.01f, 0.001f});
  context.reads_partial_rotary_factor = true;
  ExpectFrequencies(Read("{\"partial_rotary_factor\":0.5}", context), {1.0f, 0.01f});
  ExpectError(Read("{\"partial_rotary_factor\":0.4}", context), ErrorCode::kInvalidModel,
              "config.json", "3 of the 8");
}

TEST(Rotary, LinearScalingDividesAll) {
  ExpectFrequencies(Read("{\"type\":\"linear\",\"factor\":4.0}", kContext),
                    {0.25f, 0.025f, 0.0025f, 0.00025f});
}

TEST(Rotary, Llama3ScalesLowFrequencies) {
  // Wavelengths 6.3, 62.8, 628, 6283; 64 / 4 = 16 and 64 / 1 = 64 are the borders.
  const auto rotary = Read(
      "{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
      "\"original_max_position_embeddings\":64}",
      kContext);
  const double smooth = (64.0 / 62.83185307179586 - 1.0) / 3.0;
  ExpectFrequencies(rotary, {1.0f, static_cast<float>((1.0 - smooth) * 0.1 / 8.0 + smooth * 0.1),
                             0.01f / 8.0f, 0.001f / 8.0f});
}

TEST(Rotary, YarnInterpolatesBetweenItsCorrections) {
  const auto rotary = Read(
      "{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":64}", kContext);
  ASSERT_TRUE(rotary) << rotary.error().message();
  EXPECT_FLOAT_EQ(rotary->attention_factor, 1.138629436f);  // 0.1 ln 4 + 1
  // Corrections: floor(-0.497), at least 0, and ceil(1.008) = 2.
  ExpectFrequencies(rotary, {1.0f, 0.1f / 4.0f * 0.5f + 0.1f * 0.5f, 0.0025f, 0.00025f});
}

TEST(Rotary, LongRopeHasFrequenciesForLongTexts) {
  const auto rotary = Read(
      "{\"rope_type\":\"longrope\",\"short_factor\":[1,1,2,2],\"long_factor\":[4,4,8,8],"
      "\"original_max_position_embeddings\":64}",
      kContext);
  ExpectFrequencies(rotary, {1.0f, 0.1f, 0.005f, 0.0005f});
  EXPECT_EQ(rotary->short_positions, 64);
  EXPECT_FLOAT_EQ(rotary->long_inverse_frequencies[3], 0.000125f);
  EXPECT_FLOAT_EQ(rotary->attention_factor, 1.154700538f);  // sqrt(1 + ln 4 / ln 64)
  ExpectError(
      Read("{\"rope_type\":\"longrope\",\"short_factor\":[1],\"long_factor\":[4,4,8,8]}", kContext),
      ErrorCode::kInvalidModel, "short_factor", "expected 4");
}

TEST(Rotary, ParametersAreNeededAndInBounds) {
  for (const char* text :
       {"{\"rope_type\":\"linear\"}", "{\"rope_type\":\"linear\",\"factor\":0}",
        "{\"rope_type\":\"linear\",\"factor\":\"4\"}", "{\"rope_type\":\"llama3\",\"factor\":8}",
        "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":1}",
        "{\"rope_type\":3}", "[]", "{\"rope_theta\":-1}", "{\"rope_theta\":1e400}"}) {
    SCOPED_TRACE(text);
    ExpectError(Read(text, kContext), ErrorCode::kInvalidModel, "config.json");
  }
  ExpectError(Read("{\"rope_type\":\"spiral\"}", kContext), ErrorCode::kUnsupportedModel,
              "rope_type", "spiral", "yarn");
}

}  // namespace
}  // namespace akin::model
