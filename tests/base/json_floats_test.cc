#include "akin/json_floats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace akin {
namespace {

std::string Written(float value) {
  char bytes[kMaxFloatBytes];
  return {bytes, WriteFloat(bytes, value)};
}

std::string ByTheLibrary(float value) {
  char bytes[32];
  return {bytes, std::to_chars(bytes, bytes + sizeof bytes, value).ptr};
}

// Both signs. False after the first one that is wrong.
::testing::AssertionResult IsShortest(uint32_t bits) {
  for (const uint32_t sign : {uint32_t{0}, uint32_t{1} << 31}) {
    const auto value = std::bit_cast<float>(bits | sign);
    if (const std::string written = Written(value); written != ByTheLibrary(value))
      return ::testing::AssertionFailure() << written << " instead of " << ByTheLibrary(value);
  }
  return ::testing::AssertionSuccess();
}

constexpr uint32_t kInfinity = 0x7f80'0000;

TEST(JsonFloats, AreWhatTheLibraryWrites) {
  EXPECT_EQ(Written(0.043354172f), "0.043354172");
  EXPECT_EQ(Written(-0.5f), "-0.5");
  EXPECT_EQ(Written(-std::numeric_limits<float>::min()), "-1.1754944e-38");
  EXPECT_EQ(Written(-0.0f), "-0");
  // AKIN_TEST_ALL_FLOATS=1 takes some five minutes.
  const uint32_t step = std::getenv("AKIN_TEST_ALL_FLOATS") != nullptr ? 1 : 997;
  for (uint32_t bits = 0; bits < kInfinity; bits += step) ASSERT_TRUE(IsShortest(bits));
}

// Around powers of two, where the intervals change, and around short decimals.
TEST(JsonFloats, AreWhatTheLibraryWritesAtEveryEdge) {
  std::vector<uint32_t> edges;
  for (uint32_t exponent = 0; exponent < 255; ++exponent) edges.push_back(exponent << 23);
  for (double power = 1e-7; power < 1e8; power *= 10) {
    for (int digits = 1; digits < 1000; ++digits)
      edges.push_back(std::bit_cast<uint32_t>(static_cast<float>(digits * power)));
  }
  for (const uint32_t edge : edges) {
    for (uint32_t bits = edge < 64 ? 0 : edge - 64; bits < std::min(edge + 64, kInfinity); ++bits)
      ASSERT_TRUE(IsShortest(bits));
  }
}

TEST(JsonFloats, MakeAnArray) {
  std::string out = "x";
  AppendJsonFloats(out, {});
  AppendJsonFloats(out, std::vector{0.1f});
  AppendJsonFloats(out, std::vector{0.1f, -1.0f, 1.17549435e-38f, 16777216.0f});
  EXPECT_EQ(out, "x[][0.1][0.1,-1,1.1754944e-38,16777216]");
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> values(10'000);
  for (float& value : values) value = normal(random);
  out.clear();
  AppendJsonFloats(out, values);
  std::string expected = "[";
  for (const float value : values) expected += ByTheLibrary(value) + ',';
  expected.back() = ']';
  EXPECT_EQ(out, expected);
}

}  // namespace
}  // namespace akin
