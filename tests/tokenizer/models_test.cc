#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tokenizer/models/double_array_trie.h"
#include "tokenizer/models/merge_table.h"
#include "tokenizer/models/model.h"
#include "tokenizer/models/score.h"
#include "tokenizer/models/word_cache.h"
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

// A BPE model over a few letters; `options` are further members.
std::unique_ptr<const Pipeline> LoadTinyBpe(const std::string& options, const std::string& merges) {
  return LoadTiny({.model = R"({"type":"BPE",)" + options +
                            R"("vocab":{"a":0,"b":1,"c":2,"ab":3,"bc":4,"abc":5,"?":6,"aa":7,)"
                            R"("aaaa":8,"<0xC3>":9,"<0xA9>":10},"merges":)" +
                            merges + "}"});
}

TEST(Bpe, LowestRankGoesFirst) {
  EXPECT_EQ(Encode(*LoadTinyBpe("", R"(["a b","b c","ab c"])"), "abc").ids, Ids{5});
  EXPECT_EQ(Encode(*LoadTinyBpe("", R"([["b","c"],["a","b"],["ab","c"]])"), "abc").ids,
            (Ids{0, 4}));
}

TEST(Bpe, OfADuplicateMergeTheLastRankCounts) {
  EXPECT_EQ(Encode(*LoadTinyBpe("", R"(["a b","b c","a b"])"), "abc").ids, (Ids{0, 4}));
}

TEST(Bpe, IgnoreMergesLooksThePieceUpFirst) {
  EXPECT_EQ(Encode(*LoadTinyBpe(R"("ignore_merges":true,)", "[]"), "abc").ids, Ids{5});
}

TEST(Bpe, WithoutUnkCharactersVanishAndOffsetsSlide) {
  const Encoding encoding = Encode(*LoadTinyBpe("", "[]"), "xab");
  EXPECT_EQ(encoding.ids, (Ids{0, 1}));
  EXPECT_EQ(encoding.offsets[0], (std::pair<int32_t, int32_t>(0, 1)));
}

TEST(Bpe, UnknownNeighboursAreFusedWhenAsked) {
  EXPECT_EQ(Encode(*LoadTinyBpe(R"("unk_token":"?",)", "[]"), "xyab").ids, (Ids{6, 6, 0, 1}));
  EXPECT_EQ(Encode(*LoadTinyBpe(R"("unk_token":"?","fuse_unk":true,)", "[]"), "xyab").ids,
            (Ids{6, 0, 1}));
}

TEST(Bpe, APendingUnkIsWrittenAfterBytesThatFallBack) {
  EXPECT_EQ(Encode(*LoadTinyBpe(R"("unk_token":"?","byte_fallback":true,)", "[]"), "xéa").ids,
            (Ids{9, 10, 6, 0}));
}

TEST(Bpe, PrefixAndSuffixAreOfTheCharacters) {
  const auto pipeline = LoadTiny(
      {.model = R"({"type":"BPE","continuing_subword_prefix":"##","end_of_word_suffix":"</w>",)"
                R"("vocab":{"a":0,"##b":1,"##c</w>":2,"ab":3,"a</w>":4},"merges":["a ##b"]})"});
  EXPECT_EQ(Encode(*pipeline, "abc a").ids, (Ids{3, 2, 4}));
}

TEST(Bpe, LongPiecesMergeLikeShortOnes) {
  const auto pipeline = LoadTinyBpe("", R"(["a a","aa aa"])");
  for (const size_t length : {5u, 63u, 64u, 65u, 66u, 67u, 1000u}) {
    Ids expected(length / 4, 8);
    if (length % 4 >= 2) expected.push_back(7);
    if (length % 2 == 1) expected.push_back(0);
    EXPECT_EQ(Encode(*pipeline, std::string(length, 'a')).ids, expected) << length;
  }
  // Linear, or nearly: a quadratic way would take minutes.
  EXPECT_EQ(Encode(*pipeline, std::string(1 << 20, 'a')).ids, Ids(1 << 18, 8));
}

// What the definition says: of the pairs with a merge the lowest rank, the leftmost, until none is
// left. A symbol is its text; "?" is what is unknown.
std::vector<std::string> MergeByDefinition(
    std::vector<std::string> symbols,
    const std::vector<std::pair<std::string, std::string>>& merges) {
  for (;;) {
    size_t best_rank = merges.size(), best = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const std::pair pair(symbols[i], symbols[i + 1]);
      const auto found = std::ranges::find(merges, pair);
      const auto rank = static_cast<size_t>(found - merges.begin());
      if (rank < best_rank) std::tie(best_rank, best) = std::pair(rank, i);
    }
    if (best_rank == merges.size()) return symbols;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// Letters a to e and é, some of their pairs, and some pairs of these: few enough that many texts
// have places where nothing can be merged.
TEST(Bpe, LongTextsAreCutOnlyWhereNothingCanBeMerged) {
  std::mt19937 random(7);
  const auto below = [&random](size_t n) { return random() % n; };
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> symbols = {"a", "b", "c", "d", "e", "é"};
    std::vector<std::pair<std::string, std::string>> merges;
    while (symbols.size() < 14) {
      const std::pair pair(symbols[below(symbols.size())], symbols[below(symbols.size())]);
      const std::string merged = pair.first + pair.second;
      if (std::ranges::find(symbols, merged) != symbols.end()) continue;
      merges.push_back(pair);
      symbols.push_back(merged);
    }
    std::map<std::string, int32_t> ids = {{"?", 0}};
    std::string vocab = R"("?":0)", list;
    for (const std::string& symbol : symbols) {
      const auto id = static_cast<int32_t>(ids.size());
      ids[symbol] = id;
      vocab += ",\"" + symbol + "\":" + std::to_string(id);
    }
    for (const auto& [left, right] : merges) {
      list += (list.empty() ? "[\"" : ",[\"") + left + "\",\"" + right + "\"]";
    }
    const auto pipeline = LoadTiny({.model = R"({"type":"BPE","unk_token":"?","vocab":{)" + vocab +
                                             R"(},"merges":[)" + list + "]}"});
    std::string text;
    std::vector<std::string> characters;
    for (int i = 0; i < 200; ++i) {
      const size_t character = below(50);
      text += character == 0 ? "z" : symbols[character % 6];
      characters.push_back(character == 0 ? "?" : symbols[character % 6]);
    }
    Ids expected;
    for (const std::string& symbol : MergeByDefinition(characters, merges)) {
      expected.push_back(ids.at(symbol));
    }
    EXPECT_EQ(Encode(*pipeline, text).ids, expected) << vocab << ' ' << list << ' ' << text;
    EXPECT_EQ(Encode(*pipeline, text, {}).ids, expected) << vocab << ' ' << list << ' ' << text;
  }
}

TEST(Bpe, RawBytesAreReadAsByteLevelWritesThem) {
  const auto json = formats::JsonDocument::Parse(
      R"({"type":"BPE","vocab":{"a":0,"Ġ":1,"Ã":2,"©":3,"Ã©":4,"Ġa":5},)"
      R"("merges":["Ã ©","Ġ a"]})",
      "tokenizer.json");
  const auto model = LoadModel(json->root());
  ASSERT_TRUE(model && (*model)->reads_raw_bytes());
  ModelScratch scratch;
  const auto ids = [&](std::string_view text, bool raw) {
    Ids out;
    const ByteRange piece = {0, static_cast<uint32_t>(text.size())};
    (*model)->Tokenize(text, {&piece, 1}, {out, nullptr, scratch, raw});
    return out;
  };
  for (int round = 0; round < 2; ++round) {  // New, then from the cache.
    EXPECT_EQ(ids(" aé", true), (Ids{5, 4}));
    EXPECT_EQ(ids("ĠaÃ©", false), (Ids{5, 4}));
    EXPECT_EQ(ids("Ã", true), Ids{2});  // Two bytes, of which only the first has a token.
  }
}

TEST(Bpe, BrokenMergesAreNamed) {
  const auto error = [](const std::string& merges) {
    const Tiny tiny = {.model = R"({"vocab":{"a":0,"b":1},"merges":)" + merges + "}"};
    const auto pipeline = Pipeline::Load(tiny.Json(), "tokenizer.json");
    return pipeline ? std::string() : pipeline.error().message();
  };
  EXPECT_EQ(error("[]"), "");
  EXPECT_EQ(error(R"(["a b"])"),
            R"(tokenizer.json: "model.merges[0]": ab is not in the vocabulary)");
  EXPECT_EQ(error(R"(["a"])"),
            R"(tokenizer.json: "model.merges[0]" is "a", expected two parts with a blank)");
  EXPECT_EQ(error(R"([["a","b","a"]])"),
            R"(tokenizer.json: "model.merges[0]" has 3 parts, expected 2)");
}

std::unique_ptr<const Pipeline> LoadTinyUnigram(const std::string& options,
                                                const std::string& vocab) {
  return LoadTiny({.model = R"({"type":"Unigram","unk_id":0,)" + options +
                            R"("vocab":[["<unk>",0],["a",-1],["b",-1])" + vocab + "]}"});
}

TEST(Unigram, TheBestSumWinsAndOfEqualOnesTheEarlierBegin) {
  EXPECT_EQ(Encode(*LoadTinyUnigram("", R"(,["ab",-1.5])"), "aab").ids, (Ids{1, 3}));
  EXPECT_EQ(Encode(*LoadTinyUnigram("", R"(,["ab",-2])"), "ab").ids, Ids{3});
  EXPECT_EQ(Encode(*LoadTinyUnigram("", R"(,["ab",-2.5])"), "ab").ids, (Ids{1, 2}));
}

TEST(Unigram, UnknownNeighboursAreFusedUnlessTheyFallBack) {
  const auto pipeline = LoadTinyUnigram("", "");
  const Encoding encoding = Encode(*pipeline, "axéb");
  EXPECT_EQ(encoding.ids, (Ids{1, 0, 2}));
  EXPECT_EQ(encoding.offsets[1], (std::pair<int32_t, int32_t>(1, 3)));
  EXPECT_EQ(
      Encode(*LoadTinyUnigram(R"("byte_fallback":true,)", R"(,["<0xC3>",0],["<0xA9>",0])"), "aéb")
          .ids,
      (Ids{1, 3, 4, 2}));
}

TEST(Unigram, OfADuplicatePieceTheLastCounts) {
  const auto pipeline = LoadTinyUnigram("", R"(,["a",-9])");
  EXPECT_EQ(Encode(*pipeline, "a").ids, Ids{3});
  EXPECT_EQ(pipeline->IdToToken(1), "a");
}

TEST(Unigram, LongPiecesAreFine) {
  EXPECT_EQ(Encode(*LoadTinyUnigram("", R"(,["aaaa",-1])"), std::string(1 << 20, 'a')).ids,
            Ids(1 << 18, 3));
}

TEST(Score, IsReadAsTheReferenceDoes) {
  EXPECT_EQ(ReadScore("-1.5"), -1.5);
  EXPECT_EQ(ReadScore("0"), 0.0);
  EXPECT_EQ(ReadScore("-12e-1"), -1.2);
  // 8.533069610595703 * 10^15 / 10^15: one division; digits that do not fit are dropped.
  EXPECT_EQ(ReadScore("-8.533069610595703"), -8533069610595703.0 / 1e15);
  EXPECT_EQ(ReadScore("18446744073709551616"), 1844674407370955161.0 * 10);
  EXPECT_EQ(ReadScore("1e-400"), 0.0);
  EXPECT_EQ(ReadScore("1e400"), std::nullopt);
}

TEST(MergeTable, FindsItsMergesAndEndsOnOthersAtEverySize) {
  for (uint32_t size = 0; size < 70; ++size) {
    std::vector<MergeTable::Merge> merges;
    for (uint32_t i = 0; i < size; ++i) merges.push_back({i, i * i, i, i + 1});
    const MergeTable table(merges);
    for (uint32_t i = 0; i < size; ++i) EXPECT_EQ(table.Find(i, i * i).merged, i + 1);
    for (uint32_t i = 0; i < 500; ++i) {
      EXPECT_EQ(table.Find(i, i * i + 1).rank, MergeTable::kNoRank);
    }
  }
}

TEST(WordCache, AnswersAreOfTheRightModelAndSurviveBeingForgotten) {
  WordCache cache;
  for (uint32_t model = 1; model <= 2; ++model) {
    for (int32_t i = 0; i < 100000; ++i) {
      const std::string key = std::to_string(i % 70000);
      const auto id = static_cast<int32_t>(model) * 1000000 + i % 70000;
      WordCache::Slot slot;
      const auto known = cache.Find(model, key, slot);
      if (known.data() != nullptr) {
        ASSERT_EQ(Ids(known.begin(), known.end()), (Ids{id, id}));
      } else {
        cache.Insert(model, key, slot, Ids{id, id});
      }
    }
  }
}

TEST(WordPiece, AHostileLengthIsRefused) {
  const Tiny tiny = {.model = R"({"type":"WordPiece","unk_token":"?","vocab":{"?":0,")" +
                              std::string(2000, 'a') +
                              R"(":1},"continuing_subword_prefix":"##",)"
                              R"("max_input_chars_per_word":1000000000})"};
  const auto pipeline = Pipeline::Load(tiny.Json(), "tokenizer.json");
  ASSERT_FALSE(pipeline);
  EXPECT_EQ(pipeline.error().code(), ErrorCode::kUnsupportedModel);
}

TEST(DoubleArrayTrie, FindsWhatAMapFinds) {
  std::mt19937 random(7);
  std::map<std::string, int32_t> keys;
  std::deque<std::string> texts;
  std::vector<DoubleArrayTrie::Entry> entries;  // In any order; of equal keys the last counts.
  for (int32_t i = 0; i < 20000; ++i) {
    std::string& key = texts.emplace_back(random() % 6, '\0');
    // Few letters make deep, shared branches; a part of the keys uses all bytes.
    for (char& c : key) c = static_cast<char>(i % 4 == 0 ? random() % 256 : 'a' + random() % 3);
    keys[key] = i;
    entries.emplace_back(key, i);
  }
  ASSERT_LT(keys.size(), entries.size());
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
