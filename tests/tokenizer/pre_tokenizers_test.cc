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

TEST(ByteLevel, CutsAsGpt2AndMapsBytes) {
  const std::string json = R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true})";
  EXPECT_EQ(PreTokenize(json, "I don't  é"), (Pieces{"ĠI", "Ġdon", "'t", "Ġ", "ĠÃ©"}));
  EXPECT_EQ(PreTokenize(json, "\nDON'T"), (Pieces{"Ġ", "Ċ", "DON", "'", "T"}));
}

TEST(ByteLevel, LeavesBytesToAModelThatReadsThem) {
  const auto json = formats::JsonDocument::Parse(
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})", "");
  ASSERT_TRUE(json);
  const auto byte_level = LoadPreTokenizer(json->root());
  ASSERT_TRUE(byte_level);
  EXPECT_TRUE((*byte_level)->maps_bytes());
  EXPECT_FALSE((*byte_level)->rewrites(true));
  NormalizedText text;
  Budget budget(4);
  text.Assign("é a", 0, false, budget);
  std::vector<ByteRange> pieces = {{0, 4}};
  (*byte_level)->PreTokenize(text, pieces, true);
  EXPECT_EQ(pieces, (std::vector<ByteRange>{{0, 2}, {2, 4}}));
  EXPECT_EQ(text.text(), "é a");
}

std::string MetaspaceJson(const std::string& scheme) {
  return R"({"type":"Metaspace","replacement":"▁","prepend_scheme":")" + scheme + "\"}";
}

TEST(Metaspace, ReplacesBlanksAndPutsOneBefore) {
  EXPECT_EQ(PreTokenize(MetaspaceJson("always"), "a  b\tc"), (Pieces{"▁a", "▁", "▁b\tc"}));
  EXPECT_EQ(PreTokenize(MetaspaceJson("always"), "▁a"), Pieces{"▁a"});
  EXPECT_EQ(PreTokenize(MetaspaceJson("never"), "a b"), (Pieces{"a", "▁b"}));
}

TEST(Metaspace, FirstIsThePieceThatBeginsTheText) {
  EXPECT_EQ(PreTokenize(R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},)" +
                            MetaspaceJson("first") + "]}",
                        "a b"),
            (Pieces{"▁a", "b"}));
  EXPECT_EQ(PreTokenize(R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},)" +
                            MetaspaceJson("first") + "]}",
                        " a b"),
            (Pieces{"a", "b"}));
}

TEST(Metaspace, ReplacementIsOneCharacter) {
  EXPECT_EQ(PreTokenize(R"({"type":"Metaspace","replacement":"ab"})", ""),
            Pieces{R"(tokenizer.json: "replacement" is "ab", expected one character)"});
}

Pieces SplitAt(const std::string& pattern, const std::string& behavior, bool invert,
               std::string_view text) {
  return PreTokenize(R"({"type":"Split","pattern":)" + pattern + R"(,"behavior":")" + behavior +
                         R"(","invert":)" + (invert ? "true" : "false") + "}",
                     text);
}

TEST(Split, FollowsItsBehaviorAlsoInverted) {
  EXPECT_EQ(SplitAt(R"({"Regex":"\\s+"})", "MergedWithNext", false, "a  b c"),
            (Pieces{"a", "  b", " c"}));
  EXPECT_EQ(SplitAt(R"({"Regex":"\\w+"})", "Removed", true, "ab, c!"), (Pieces{"ab", "c"}));
  EXPECT_EQ(SplitAt(R"({"String":"ab"})", "Isolated", false, "cabab"), (Pieces{"c", "ab", "ab"}));
  EXPECT_EQ(SplitAt(R"({"String":"."})", "Removed", false, "a.b"), (Pieces{"a", "b"}));
}

TEST(Split, EmptyMatchesCutBetweenCharacters) {
  EXPECT_EQ(SplitAt(R"({"String":""})", "Isolated", false, "aé"), (Pieces{"a", "é"}));
  EXPECT_EQ(SplitAt(R"({"Regex":"^"})", "Isolated", false, "a\nb\n"), (Pieces{"a\n", "b\n"}));
}

TEST(CharDelimiterSplit, DropsTheDelimiter) {
  EXPECT_EQ(PreTokenize(R"({"type":"CharDelimiterSplit","delimiter":"é"})", "aéébé"),
            (Pieces{"a", "b"}));
}

TEST(FixedLength, CountsCharacters) {
  EXPECT_EQ(PreTokenize(R"({"type":"FixedLength","length":2})", "aébcd"),
            (Pieces{"aé", "bc", "d"}));
  EXPECT_EQ(PreTokenize(R"({"type":"FixedLength","length":0})", "a").size(), 1u);
}

TEST(UnicodeScripts, KanaAreHanAndBlanksAreOfAnyScript) {
  EXPECT_EQ(PreTokenize(R"({"type":"UnicodeScripts"})", " どこで生れ。Yes or カー"),
            (Pieces{"どこで生れ", "。", "Yes or ", "カー"}));
}

}  // namespace
}  // namespace akin::tokenizer
