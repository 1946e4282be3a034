#include "server/grpc/inflate.h"

#include <gtest/gtest.h>

#include "deflated.h"

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
  const std::string bomb = Deflated(GetParam(), std::string(10'000'000, 'a'));
  EXPECT_LT(bomb.size(), 20'000U);
  const auto inflated = Inflate(GetParam(), bomb, 9'999'999);
  ASSERT_FALSE(inflated);
  EXPECT_EQ(inflated.error().code(), ErrorCode::kOverloaded);
  EXPECT_TRUE(Inflate(GetParam(), bomb, 10'000'000));
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
