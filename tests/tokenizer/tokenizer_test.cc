#include "akin/tokenizer.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/temporary_folder.h"

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

Tokenizer LoadWordPiece() { return std::move(*Tokenizer::Load(kData + "wordpiece-uncased.json")); }

TEST(Tokenizer, ABatchIsTheSameOnAnyNumberOfThreads) {
  const Tokenizer tokenizer = LoadWordPiece();
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) {
    texts.push_back(std::string(static_cast<size_t>(i * 37 % 700), 'a') + " hello, w\u00f6rld " +
                    std::to_string(i));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const int num_threads : {0, 1, 2, 7}) {
    const auto batch = tokenizer.EncodeBatch(views, {.with_offsets = true}, num_threads);
    ASSERT_TRUE(batch) << batch.error().message();
    ASSERT_EQ(batch->size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto alone = tokenizer.Encode(texts[i], {.with_offsets = true});
      ASSERT_EQ((*batch)[i].ids, alone->ids);
      ASSERT_EQ((*batch)[i].offsets, alone->offsets);
      ASSERT_EQ(tokenizer.CountTokens(texts[i]).value(), alone->ids.size());
    }
  }
  EXPECT_FALSE(tokenizer.EncodeBatch(views, {}, -1));
}

TEST(Tokenizer, ABatchNamesItsFirstBrokenText) {
  const Tokenizer tokenizer = LoadWordPiece();
  const std::string filler(40000, 'a');
  const std::string_view texts[] = {filler, "fine", "broken \xFF", filler, "broken \xFE", filler};
  const auto batch = tokenizer.EncodeBatch(texts, {}, 3);
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().message(), "text 2: text is not UTF-8 at byte 7");
}

TEST(Tokenizer, BatchesOfPairsArePaddedTogether) {
  const Tokenizer tokenizer = LoadWordPiece();
  const std::pair<std::string_view, std::string_view> pairs[] = {{"a", "b"}, {"a a a a", "b b"}};
  const auto batch = tokenizer.EncodeBatch(pairs, {.padding = Padding{.id = 1}});
  ASSERT_TRUE(batch);
  EXPECT_EQ((*batch)[0].ids.size(), (*batch)[1].ids.size());
  EXPECT_EQ((*batch)[0].attention_mask.back(), 0);
}

TEST(Tokenizer, DecodesWhatItEncodes) {
  const Tokenizer tokenizer = LoadWordPiece();
  const auto encoding = tokenizer.Encode("The library is free.");
  EXPECT_EQ(tokenizer.Decode(encoding->ids).value(), "the library is free.");
  EXPECT_EQ(tokenizer.Decode(encoding->ids, false).value(), "[CLS] the library is free. [SEP]");
}

// The thread's memory, with its cache of words, serves both, and those that come after them.
TEST(Tokenizer, TokenizersInTurnOnOneThreadDoNotMixTheirWords) {
  const TemporaryFolder folder;
  const auto load = [&](int first_id) {
    const auto id = [&](int i) { return std::to_string(first_id + i); };
    folder.Write(
        "tokenizer.json",
        R"({"pre_tokenizer":{"type":"WhitespaceSplit"},"model":{"type":"BPE","vocab":{"a":)" +
            id(0) + R"(,"b":)" + id(1) + R"(,"ab":)" + id(2) + R"(},"merges":["a b"]}})");
    auto tokenizer = Tokenizer::Load(folder.path().string());
    EXPECT_TRUE(tokenizer) << tokenizer.error().message();
    return std::move(*tokenizer);
  };
  std::optional<Tokenizer> one = load(0), other = load(10);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(one->Encode("ab b")->ids, (std::vector<int32_t>{2, 1}));
    EXPECT_EQ(other->Encode("ab b")->ids, (std::vector<int32_t>{12, 11}));
  }
  for (int first_id = 20; first_id < 60; first_id += 10) {
    one.reset();  // The next one may lie in the same place.
    one = load(first_id);
    EXPECT_EQ(one->Encode("ab b")->ids, (std::vector<int32_t>{first_id + 2, first_id + 1}));
  }
}

TEST(Tokenizer, ReadsAFolderWithVocabTxtAlone) {
  const TemporaryFolder folder;
  folder.Write("vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nhello\r\nHello\r\n##s\r\n");
  const std::string path = folder.path().string();
  auto tokenizer = Tokenizer::Load(path);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  EXPECT_EQ(tokenizer->Encode("Hellos [SEP]")->ids, (std::vector<int32_t>{2, 4, 6, 3, 3}));
  folder.Write("tokenizer_config.json",
               R"({"do_lower_case":false,"cls_token":{"content":"[PAD]"}})");
  tokenizer = Tokenizer::Load(path);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  EXPECT_EQ(tokenizer->Encode("Hello")->ids, (std::vector<int32_t>{0, 5, 3}));
  folder.Write("tokenizer_config.json", R"({"tokenizer_class":"MPNetTokenizer"})");
  tokenizer = Tokenizer::Load(path);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code(), ErrorCode::kUnsupportedModel);
}

}  // namespace
}  // namespace akin
