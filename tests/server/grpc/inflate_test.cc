#include "server/grpc/inflate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "deflated.h"
#include "server/grpc/inflate_budget.h"

namespace akin::server {
namespace {

class InflateEach : public testing::TestWithParam<Encoding> {};

TEST_P(InflateEach, GivesBackWhatWasCompressed) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, size_t{4097}, size_t{100'000}}) {
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * i >> 3);
    const auto inflated = Inflate(GetParam(), Deflated(GetParam(), text), 100'000);
    ASSERT_TRUE(inflated) << size << ": " << inflated.error().message();
    EXPECT_EQ(*inflated, text);
  }
}

TEST_P(InflateEach, MakesNoMoreThanItMay) {
  std::string text;
  for (int i = 0; text.size() < 1'000'000; ++i) text += std::to_string(i * 7919) + ' ';
  const std::string compressed = Deflated(GetParam(), text);
  EXPECT_LT(compressed.size(), text.size() / 2);
  const auto inflated = Inflate(GetParam(), compressed, text.size() - 1);
  ASSERT_FALSE(inflated);
  EXPECT_EQ(inflated.error().code(), ErrorCode::kOverloaded);
  EXPECT_EQ(Inflate(GetParam(), compressed, text.size()).value(), text);
}

TEST_P(InflateEach, GrowsNoMoreThanTwoHundredTimesUnlessItIsShort) {
  const std::string bomb = Deflated(GetParam(), std::string(10'000'000, 'a'));
  EXPECT_LT(bomb.size(), 20'000U);
  Inflater inflater(GetParam(), bomb, 100'000'000);
  Result<bool> state = false;
  while (state && !*state) state = inflater.Step(100'000);
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code(), ErrorCode::kOverloaded);
  EXPECT_NE(state.error().message().find("200 times"), std::string::npos);
  EXPECT_LE(inflater.made(), 200 * bomb.size() + 1);
  // What is short may be all the same letter.
  const std::string letters(kFreeInflatedBytes, 'a');
  EXPECT_EQ(Inflate(GetParam(), Deflated(GetParam(), letters), 4 << 20).value(), letters);
  EXPECT_FALSE(Inflate(GetParam(), Deflated(GetParam(), letters + 'a'), 4 << 20));
}

TEST_P(InflateEach, AStepMakesNoMoreThanItIsAskedFor) {
  std::string text(300'000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 3);
  for (const size_t step : {size_t{1}, size_t{1000}, size_t{65'536}, size_t{300'000}}) {
    const size_t size = step == 1 ? 5000 : text.size();
    Inflater inflater(GetParam(), Deflated(GetParam(), text.substr(0, size)), text.size());
    size_t before = 0;
    for (bool is_whole = false; !is_whole;) {
      is_whole = inflater.Step(step).value();
      EXPECT_LE(inflater.made() - before, step);
      before = inflater.made();
    }
    EXPECT_EQ(inflater.Take(), text.substr(0, size));
  }
}

TEST(InflateBudget, AClientLeavesHalfToTheNext) {
  constexpr size_t kMiB = size_t{1} << 20;
  const auto start = std::chrono::steady_clock::now();
  InflateBudget budget(64 * kMiB);
  budget.Count("a", 32 * kMiB, start);
  EXPECT_TRUE(budget.MayBegin("a", start));
  budget.Count("a", 1, start);
  EXPECT_FALSE(budget.MayBegin("a", start));
  budget.Count("b", 15 * kMiB, start);
  EXPECT_TRUE(budget.MayBegin("b", start));
  budget.Count("b", 2 * kMiB, start + std::chrono::milliseconds(999));
  EXPECT_FALSE(budget.MayBegin("b", start + std::chrono::milliseconds(999)));
  EXPECT_TRUE(budget.MayBegin("a", start + std::chrono::milliseconds(1001)));
}

TEST(InflateBudget, WhoHasHadNothingMayAlways) {
  const auto start = std::chrono::steady_clock::now();
  InflateBudget budget(1000);
  for (int i = 0; i < 100; ++i) budget.Count(std::to_string(i), 100, start);
  EXPECT_FALSE(budget.MayBegin("1", start));
  EXPECT_TRUE(budget.MayBegin("b", start));
}

TEST_P(InflateEach, RefusesWhatIsCutOrChangedOrFollowed) {
  const std::string good =
      Deflated(GetParam(), "a text that is compressed, a text that is compressed");
  for (size_t i = 0; i < good.size(); ++i) {
    const auto cut = Inflate(GetParam(), std::string_view(good).substr(0, i), 1000);
    ASSERT_FALSE(cut) << i;
    EXPECT_EQ(cut.error().code(), ErrorCode::kInvalidInput);
  }
  EXPECT_FALSE(Inflate(GetParam(), good + "x", 1000));
  std::string changed = good;
  changed[good.size() - 5] ^= 1;  // A checksum.
  EXPECT_FALSE(Inflate(GetParam(), changed, 1000));
  const Encoding other = GetParam() == Encoding::kGzip ? Encoding::kDeflate : Encoding::kGzip;
  EXPECT_FALSE(Inflate(other, good, 1000));
}

INSTANTIATE_TEST_SUITE_P(Inflate, InflateEach,
                         testing::Values(Encoding::kDeflate, Encoding::kGzip));

TEST(Inflate, EncodingsHaveNames) {
  EXPECT_EQ(EncodingNamed(""), Encoding::kIdentity);
  EXPECT_EQ(EncodingNamed("identity"), Encoding::kIdentity);
  EXPECT_EQ(EncodingNamed("deflate"), Encoding::kDeflate);
  EXPECT_EQ(EncodingNamed("gzip"), Encoding::kGzip);
  EXPECT_EQ(EncodingNamed("GZIP"), std::nullopt);
  EXPECT_EQ(EncodingNamed("snappy"), std::nullopt);
}

}  // namespace
}  // namespace akin::server
