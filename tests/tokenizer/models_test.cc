#include <map>
#include <random>

#include "tokenizer/models/double_array_trie.h"
#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

using Ids = std::vector<int32_t>;

TEST(WordPiece, TakesTheLongestPieceFirst) {
  EXPECT_EQ(Encode(*LoadTiny({}), "unaffable hello").ids, (Ids{3, 4, 5, 7}));
}

TEST(WordPiece, WordWithoutPiecesBecomesOneUnk) {
  // "un" fits, but the rest does not: the word is unknown as a whole.
  const Encoding encoding = Encode(*LoadTiny({}), "unx hello");
  EXPECT_EQ(encoding.ids, (Ids{0, 7}));
  EXPECT_EQ(encoding.offsets[0], (std::pair<int32_t, int32_t>(0, 3)));
}

TEST(WordPiece, UnknownWordAfterAnAddedTokenKeepsItsPlace) {
  const auto pipeline =
      LoadTiny({.added_tokens = R"([{"id":1,"content":"[CLS]","single_word":false,"lstrip":false,)"
                                R"("rstrip":false,"normalized":false,"special":true}])"});
  const Encoding encoding = Encode(*pipeline, "hello[CLS] unx");
  EXPECT_EQ(encoding.ids, (Ids{7, 1, 0}));
  EXPECT_EQ(encoding.offsets[2], (std::pair<int32_t, int32_t>(11, 14)));
}

TEST(WordPiece, CountsCharactersAgainstTheLimit) {
  EXPECT_EQ(Encode(*LoadTiny({}), "ééééééééé").ids, (Ids{8, 9, 9, 9, 9, 9, 9, 9, 9}));
  EXPECT_EQ(Encode(*LoadTiny({}), "éééééééééé").ids, Ids{0});
}

TEST(WordLevel, AWordIsOneTokenOrUnknown) {
  const auto pipeline =
      LoadTiny({.model = R"({"type":"WordLevel","vocab":{"?":0,"a":5},"unk_token":"?"})"});
  EXPECT_EQ(Encode(*pipeline, "a b a").ids, (Ids{5, 0, 5}));
  EXPECT_EQ(pipeline->max_id(), 5);
  EXPECT_EQ(pipeline->TokenToId("a"), 5);
  EXPECT_EQ(pipeline->IdToToken(5), "a");
  EXPECT_EQ(pipeline->IdToToken(4), std::nullopt);
}

TEST(Model, OldFilesWithoutATypeAreToldApartByTheirFields) {
  EXPECT_EQ(Encode(*LoadTiny({.model = R"({"unk_token":"[UNK]","continuing_subword_prefix":"##",)"
                                       R"("max_input_chars_per_word":8,)"
                                       R"("vocab":{"[UNK]":0,"a":1,"##b":2}})"}),
                   "ab")
                .ids,
            (Ids{1, 2}));
}

TEST(Vocabulary, OfDuplicateKeysTheLastCounts) {
  EXPECT_EQ(Encode(*LoadTiny({.model = R"({"type":"WordLevel","unk_token":"?",)"
                                       R"("vocab":{"?":0,"a":1,"a":2}})"}),
                   "a")
                .ids,
            Ids{2});
}

TEST(DoubleArrayTrie, FindsWhatAMapFinds) {
  std::mt19937 random(7);
  std::map<std::string, int32_t> keys;
  for (int32_t i = 0; i < 20000; ++i) {
    std::string key(random() % 6, '\0');
    // Few letters make deep, shared branches; a part of the keys uses all bytes.
    for (char& c : key) c = static_cast<char>(i % 4 == 0 ? random() % 256 : 'a' + random() % 3);
    keys[key] = i;
  }
  std::vector<DoubleArrayTrie::Entry> entries(keys.begin(), keys.end());
  const DoubleArrayTrie trie(entries);
  for (const auto& [key, value] : keys) ASSERT_EQ(trie.Find(key), value);
  for (int i = 0; i < 20000; ++i) {
    std::string key(random() % 6, '\0');
    for (char& c : key) c = static_cast<char>(i % 2 == 0 ? random() % 256 : 'a' + random() % 4);
    const auto found = keys.find(key);
    ASSERT_EQ(trie.Find(key), found == keys.end() ? DoubleArrayTrie::kNoValue : found->second);
  }
}

TEST(DoubleArrayTrie, AnEmptyOneFindsNothing) {
  const DoubleArrayTrie trie({});
  EXPECT_EQ(trie.Find(""), DoubleArrayTrie::kNoValue);
  EXPECT_EQ(trie.Find(std::string_view("\0", 1)), DoubleArrayTrie::kNoValue);
}

}  // namespace
}  // namespace akin::tokenizer
