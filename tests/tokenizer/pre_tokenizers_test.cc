#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

using Pieces = std::vector<std::string>;

TEST(BertPreTokenizer, EveryPunctuationCharacterStandsAlone) {
  EXPECT_EQ(PreTokenize(R"({"type":"BertPreTokenizer"})", " Don't  stop—now… $5"),
            (Pieces{"Don", "'", "t", "stop", "—", "now", "…", "$", "5"}));
}

TEST(BertPreTokenizer, SymbolsOutsideAsciiAreNoPunctuation) {
  EXPECT_EQ(PreTokenize(R"({"type":"BertPreTokenizer"})", "5€ a\u3000b"), (Pieces{"5€", "a", "b"}));
}

TEST(WhitespaceSplit, CutsAtUnicodeWhiteSpaceOnly) {
  EXPECT_EQ(PreTokenize(R"({"type":"WhitespaceSplit"})", "\u2003a,b\u00A0c "),
            (Pieces{"a,b", "c"}));
}

TEST(Whitespace, CutsWordsFromRunsOfTheRest) {
  EXPECT_EQ(PreTokenize(R"({"type":"Whitespace"})", "a_1?! b— é"),
            (Pieces{"a_1", "?!", "b", "—", "é"}));
}

TEST(Digits, AsRunsOrOneByOne) {
  EXPECT_EQ(PreTokenize(R"({"type":"Digits","individual_digits":false})", "a12b½"),
            (Pieces{"a", "12", "b", "½"}));
  EXPECT_EQ(PreTokenize(R"({"type":"Digits","individual_digits":true})", "a12"),
            (Pieces{"a", "1", "2"}));
}

Pieces Punctuate(const std::string& behavior, std::string_view text) {
  return PreTokenize(R"({"type":"Punctuation","behavior":")" + behavior + "\"}", text);
}

TEST(Punctuation, FollowsItsBehavior) {
  constexpr std::string_view kText = "the-final--countdown";
  EXPECT_EQ(Punctuate("Removed", kText), (Pieces{"the", "final", "countdown"}));
  EXPECT_EQ(Punctuate("Isolated", kText), (Pieces{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(Punctuate("MergedWithPrevious", kText), (Pieces{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(Punctuate("MergedWithNext", kText), (Pieces{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(Punctuate("Contiguous", kText), (Pieces{"the", "-", "final", "--", "countdown"}));
}

TEST(Punctuation, UnknownBehaviorIsInvalid) {
  EXPECT_EQ(Punctuate("Sometimes", ""),
            Pieces{R"(tokenizer.json: "behavior" is "Sometimes", expected Removed, Isolated, )"
                   "MergedWithPrevious, MergedWithNext or Contiguous"});
}

TEST(PreTokenizerSequence, EachStageCutsThePiecesOfTheOneBefore) {
  EXPECT_EQ(PreTokenize(R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},)"
                        R"({"type":"Punctuation"},{"type":"Digits","individual_digits":true}]})",
                        "a,b 12"),
            (Pieces{"a", ",", "b", "1", "2"}));
}

}  // namespace
}  // namespace akin::tokenizer
