#include "akin/tokenizer.h"

#include <gtest/gtest.h>

#include <string>

namespace akin {
namespace {

const std::string kData = std::string(AKIN_TEST_DATA) + "/tokenizers/";

TEST(Tokenizer, LoadsAFileAndEncodes) {
  const auto tokenizer = Tokenizer::Load(kData + "wordpiece-uncased.json");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  EXPECT_EQ(tokenizer->vocab_size(), 6000u);
  EXPECT_EQ(tokenizer->TokenToId("[CLS]"), 2);
  EXPECT_EQ(tokenizer->IdToToken(3), "[SEP]");
  const auto encoding = tokenizer->Encode("");
  ASSERT_TRUE(encoding);
  EXPECT_EQ(encoding->ids, (std::vector<int32_t>{2, 3}));
}

TEST(Tokenizer, AMissingFileIsModelNotFound) {
  const auto tokenizer = Tokenizer::Load(kData + "malformed");  // A folder without one.
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code(), ErrorCode::kModelNotFound);
  EXPECT_NE(tokenizer.error().message().find("tokenizer.json"), std::string::npos);
}

}  // namespace
}  // namespace akin
