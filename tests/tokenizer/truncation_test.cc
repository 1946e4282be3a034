#include "tokenizer/truncation.h"

#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

using Ids = std::vector<int32_t>;
using Parts = std::vector<TokenRange>;
using enum TruncationStrategy;

std::pair<size_t, size_t> Kept(size_t first, size_t second, size_t max_length,
                               TruncationStrategy strategy) {
  const auto kept = Truncate(first, second, max_length, strategy);
  EXPECT_TRUE(kept);
  return {kept->first, kept->second};
}

TEST(Truncation, LongestFirstLeavesTheShorterTextWhole) {
  EXPECT_EQ(Kept(3, 10, 8, kLongestFirst), std::pair(size_t{3}, size_t{5}));
  EXPECT_EQ(Kept(10, 3, 8, kLongestFirst), std::pair(size_t{5}, size_t{3}));
  EXPECT_EQ(Kept(10, 10, 7, kLongestFirst), std::pair(size_t{3}, size_t{4}));
  EXPECT_EQ(Kept(11, 10, 7, kLongestFirst), std::pair(size_t{4}, size_t{3}));
  EXPECT_EQ(Kept(2, 3, 7, kLongestFirst), std::pair(size_t{2}, size_t{3}));
}

TEST(Truncation, OnlyOneTextIsCutAndMustBeLongEnough) {
  EXPECT_EQ(Kept(10, 3, 8, kOnlyFirst), std::pair(size_t{5}, size_t{3}));
  EXPECT_EQ(Kept(3, 10, 8, kOnlySecond), std::pair(size_t{3}, size_t{5}));
  EXPECT_FALSE(Truncate(3, 10, 8, kOnlyFirst));
  EXPECT_FALSE(Truncate(10, std::nullopt, 8, kOnlySecond));
  EXPECT_TRUE(Truncate(8, std::nullopt, 8, kOnlySecond));  // Nothing to cut.
}

TEST(Truncation, TheLastPartIsTheFirstThatReachesTheEnd) {
  const Truncation right = {.stride = 1};
  EXPECT_EQ(CutIntoParts(8, 3, right).value(), (Parts{{0, 3}, {2, 5}, {4, 7}, {6, 8}}));
  EXPECT_EQ(CutIntoParts(7, 3, right).value(), (Parts{{0, 3}, {2, 5}, {4, 7}}));
  const Truncation left = {.stride = 1, .side = TruncationSide::kLeft};
  EXPECT_EQ(CutIntoParts(8, 3, left).value(), (Parts{{5, 8}, {3, 6}, {1, 4}, {0, 2}}));
  EXPECT_EQ(CutIntoParts(8, 0, right).value(), (Parts{{0, 0}, {0, 8}}));
  EXPECT_FALSE(CutIntoParts(8, 1, right));
}

Encoding EncodePair(const Pipeline& pipeline, const EncodeOptions& options) {
  Scratch scratch;
  auto encoding = pipeline.EncodePair("hello un é", "un un hello", options, scratch);
  if (!encoding) ADD_FAILURE() << encoding.error().message();
  return encoding ? *encoding : Encoding();
}

TEST(Truncation, OverflowOfAPairIsEveryPartWithEveryPart) {
  const auto pipeline = LoadTiny({.post_processor = std::string(kClsSep)});
  EncodeOptions options = {.with_overflowing = true, .truncation = Truncation{.max_length = 7}};
  const Encoding encoding = EncodePair(*pipeline, options);
  EXPECT_EQ(encoding.ids, (Ids{1, 7, 3, 2, 3, 3, 2}));
  EXPECT_EQ(encoding.type_ids, (Ids{0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(encoding.truncated, 2);
  std::vector<Ids> overflowing;
  for (const Encoding& part : encoding.overflowing) overflowing.push_back(part.ids);
  EXPECT_EQ(overflowing,
            (std::vector<Ids>{{1, 8, 2, 3, 3, 2}, {1, 8, 2, 7, 2}, {1, 7, 3, 2, 7, 2}}));
  options.with_overflowing = false;
  EXPECT_TRUE(EncodePair(*pipeline, options).overflowing.empty());
}

TEST(Truncation, OptionsWinOverTheFile) {
  const auto pipeline =
      LoadTiny({.truncation =
                    R"({"max_length":2,"stride":0,"strategy":"LongestFirst","direction":"Left"})"});
  EXPECT_EQ(Encode(*pipeline, "hello un é").ids, (Ids{3, 8}));
  EXPECT_EQ(Encode(*pipeline, "hello un é", {.truncation = Off{}}).ids, (Ids{7, 3, 8}));
  EXPECT_EQ(Encode(*pipeline, "hello un é", {.truncation = Truncation{.max_length = 1}}).ids,
            Ids{7});
}

TEST(Truncation, OverflowFarBeyondTheTextsIsRefused) {
  const auto pipeline = LoadTiny({});
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "hello ";
  Scratch scratch;
  const EncodeOptions options = {.with_overflowing = true,
                                 .truncation = Truncation{.max_length = 2}};
  EXPECT_FALSE(pipeline->EncodePair(text, text, options, scratch));
  EXPECT_TRUE(pipeline->EncodePair(text, "hello", options, scratch));
}

TEST(Padding, BatchesAreAsLongAsTheirLongest) {
  const auto pipeline = LoadTiny({});
  const EncodeOptions options = {
      .with_offsets = true,
      .padding = Padding{.on_left = true, .multiple_of = 2, .id = 9, .type_id = 4, .token = "P"}};
  std::vector<Encoding> batch = {Encode(*pipeline, "hello"), Encode(*pipeline, "un un un")};
  ASSERT_TRUE(pipeline->Pad(batch, options));
  EXPECT_EQ(batch[0].ids, (Ids{9, 9, 9, 7}));
  EXPECT_EQ(batch[0].type_ids, (Ids{4, 4, 4, 0}));
  EXPECT_EQ(batch[0].attention_mask, (std::vector<uint8_t>{0, 0, 0, 1}));
  EXPECT_EQ(batch[0].special_tokens_mask, (std::vector<uint8_t>{1, 1, 1, 0}));
  EXPECT_EQ(batch[0].tokens[0], "P");
  EXPECT_EQ(batch[1].ids, (Ids{9, 3, 3, 3}));
}

TEST(Padding, ALengthInAFileIsBounded) {
  const auto pipeline = Pipeline::Load(
      Tiny{.padding = R"({"strategy":{"Fixed":2000000000},"direction":"Right","pad_id":0,)"
                      R"("pad_type_id":0,"pad_token":"P"})"}
          .Json(),
      "tokenizer.json");
  ASSERT_FALSE(pipeline);
  EXPECT_NE(pipeline.error().message().find("padding.strategy.Fixed"), std::string::npos);
}

}  // namespace
}  // namespace akin::tokenizer
