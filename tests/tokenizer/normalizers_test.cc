#include "tokenizer/tiny.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

constexpr std::string_view kUncased =
    R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,)"
    R"("strip_accents":null,"lowercase":true})";
constexpr std::string_view kCased =
    R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,)"
    R"("strip_accents":null,"lowercase":false})";

TEST(BertNormalizer, ControlCharactersVanishBeforeBlanksAreMapped) {
  // Vertical tab, soft hyphen and U+0085 go, though some of them are white space.
  EXPECT_EQ(Normalize(kUncased,
                      "a\x0B"
                      "b\u00ADc\u0085d\te\u2028f"),
            "abcd e f");
  EXPECT_EQ(Normalize(kUncased, std::string_view("a\0b\uFFFDc", 7)), "abc");
}

TEST(BertNormalizer, ChineseCharactersStandAlone) {
  EXPECT_EQ(Normalize(kUncased, "a中文b"), "a 中  文 b");
}

TEST(BertNormalizer, NullStripAccentsMeansAsLowercase) {
  EXPECT_EQ(Normalize(kUncased, "ÀÉ"), "ae");
  EXPECT_EQ(Normalize(kCased, "ÀÉ"), "ÀÉ");
}

TEST(BertNormalizer, KeptMarksAreMovedAsNfdMovesThem) {
  // U+1D165 (class 216) is no Mn and stays; U+302E (class 224) too; NFD puts them into order.
  EXPECT_EQ(Normalize(kUncased, "a\u302E\U0001D165\u0301Z"), "a\U0001D165\u302Ez");
}

TEST(BertNormalizer, MissingFieldIsNamed) {
  EXPECT_EQ(Normalize(R"({"type":"BertNormalizer","clean_text":true})", "a"),
            R"(tokenizer.json: "handle_chinese_chars" is missing)");
}

TEST(Lowercase, FinalSigmaIsNotSpecialAndDottedIBecomesTwoCharacters) {
  EXPECT_EQ(Normalize(R"({"type":"Lowercase"})", "ΑΣ İ"), "ασ i\u0307");
}

TEST(UnicodeForms, DecomposeComposeAndCompatibility) {
  EXPECT_EQ(Normalize(R"({"type":"NFD"})", "é각"), "e\u0301\u1100\u1161\u11A8");
  EXPECT_EQ(Normalize(R"({"type":"NFC"})", "e\u0301\u1100\u1161\u11A8"), "é각");
  EXPECT_EQ(Normalize(R"({"type":"NFKC"})", "ﬁ①"), "fi1");
  EXPECT_EQ(Normalize(R"({"type":"NFKD"})", "é①"), "e\u03011");
}

TEST(UnicodeForms, MarksAreOrderedByCombiningClass) {
  EXPECT_EQ(Normalize(R"({"type":"NFD"})", "a\u0301\u0323"), "a\u0323\u0301");
  EXPECT_EQ(Normalize(R"({"type":"NFC"})", "a\u0301\u0323"), "ạ\u0301");
}

TEST(UnicodeForms, WhatIsSettledStaysBetweenWhatIsComposed) {
  EXPECT_EQ(Normalize(R"({"type":"NFC"})", "日本é\u0323語"), "日本ẹ\u0301語");
  EXPECT_EQ(Normalize(R"({"type":"NFC"})", "\u0301日가\u11A8\u11A8ก\u0E49\u0928\u093C\u0438\u0306"),
            "\u0301日\uAC01\u11A8ก\u0E49\u0929\u0439");
  EXPECT_EQ(Normalize(R"({"type":"NFC"})", "日\u2126\u0345"), "日\u1FFC");
  const std::string settled = "日本語 ёж ελληνικά 각 ไทย";
  EXPECT_EQ(Normalize(R"({"type":"NFC"})", settled), settled);
}

TEST(UnicodeForms, AMillionMarksTakeLinearTime) {
  std::string text = "a";
  for (int i = 0; i < 500000; ++i) text += "\u0301\u0323";
  EXPECT_EQ(Normalize(R"({"type":"NFC"})", text).substr(0, 5), "ạ\u0323");
}

TEST(StripAccents, DropsMarksOfTheTextAsItIs) {
  EXPECT_EQ(Normalize(R"({"type":"StripAccents"})", "e\u0301é"), "eé");
}

TEST(Strip, TakesUnicodeWhiteSpaceFromTheSidesAskedFor) {
  EXPECT_EQ(Normalize(R"({"type":"Strip","strip_left":true,"strip_right":true})", "\u3000 a \n"),
            "a");
  EXPECT_EQ(Normalize(R"({"type":"Strip","strip_left":false,"strip_right":true})", " a "), " a");
  EXPECT_EQ(Normalize(R"({"type":"Strip","strip_left":true,"strip_right":true})", " \u2003"), "");
}

TEST(Replace, StringIsALiteral) {
  EXPECT_EQ(Normalize(R"({"type":"Replace","pattern":{"String":".+"},"content":"é"})", "a.+.+b"),
            "aééb");
}

TEST(Replace, RegexReplacesEveryMatchAlsoAnEmptyOne) {
  EXPECT_EQ(Normalize(R"({"type":"Replace","pattern":{"Regex":"\\s{2,}"},"content":"_"})",
                      "a \n b c\u3000 d"),
            "a_b c_d");
  EXPECT_EQ(Normalize(R"({"type":"Replace","pattern":{"Regex":"x?"},"content":"-"})", "axb"),
            "-a-b-");
}

TEST(Replace, BrokenAndUnknownRegexesNameTheirKey) {
  EXPECT_EQ(Normalize(R"({"type":"Replace","pattern":{"Regex":"(a"},"content":""})", "a"),
            R"(tokenizer.json: "pattern.Regex" has a group without an end (at byte 2))");
  EXPECT_EQ(Normalize(R"({"type":"Replace","pattern":{"Regex":"(a)\\1"},"content":""})", "a"),
            R"(tokenizer.json: "pattern.Regex" uses \1 at byte 4, which is not supported)");
}

TEST(Nmt, RemovesSomeControlCharactersAndBlanksOthers) {
  EXPECT_EQ(Normalize(R"({"type":"Nmt"})", "a\x01\tb\u200Bc\u2581\x7F"), "a b c ");
}

TEST(ByteLevelNormalizer, EveryByteBecomesAVisibleCharacter) {
  EXPECT_EQ(Normalize(R"({"type":"ByteLevel"})", "a é\n"), "aĠÃ©Ċ");
}

TEST(Prepend, AnEmptyPieceStaysEmpty) {
  EXPECT_EQ(Normalize(R"({"type":"Prepend","prepend":"▁"})", "a"), "▁a");
  EXPECT_EQ(Normalize(R"({"type":"Prepend","prepend":"▁"})", ""), "");
}

TEST(NormalizerSequence, StagesRunInOrder) {
  EXPECT_EQ(Normalize(R"({"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},)"
                      R"({"type":"Lowercase"}]})",
                      "ÉA"),
            "ea");
}

TEST(Precompiled, BrokenCharsmapsAreNamed) {
  const auto load = [](const std::string& base64) {
    return Normalize(R"({"type":"Precompiled","precompiled_charsmap":")" + base64 + "\"}", "a");
  };
  const std::string where = R"(tokenizer.json: "precompiled_charsmap" )";
  EXPECT_EQ(load("!"), where + "is not base64");
  EXPECT_EQ(load("AAA="), where + "has 2 bytes");
  EXPECT_EQ(load("/////w=="), where + "has a trie of 4294967295 bytes in 4");
  EXPECT_EQ(load("BAAAAAAAAAA="), "a");  // An empty trie.
  EXPECT_EQ(load("BAAAAP////8="), "a");  // A trie that leads out of itself.
}

TEST(Graphemes, ClustersEndWhereTheReferenceEndsThem) {
  using unicode::GraphemeLength;
  EXPECT_EQ(GraphemeLength("ab"), 1u);
  EXPECT_EQ(GraphemeLength("\r\nb"), 2u);
  EXPECT_EQ(GraphemeLength("e\u0301\u0301b"), 5u);
  EXPECT_EQ(GraphemeLength("\n\u0301"), 1u);
  EXPECT_EQ(GraphemeLength("각ᆨ"), 6u);           // Hangul.
  EXPECT_EQ(GraphemeLength("🇩🇪🇫🇷"), 8u);          // Pairs of regional indicators.
  EXPECT_EQ(GraphemeLength("👩\u200D🔬a"), 11u);  // A sequence of emoji.
  EXPECT_EQ(GraphemeLength("क्षa"), 9u);           // A conjunct of consonants.
  EXPECT_EQ(GraphemeLength("क\u0903ष"), 6u);
}

TEST(Normalizer, UnknownTypesAreNamed) {
  EXPECT_EQ(Normalize(R"({"type":"Magic"})", ""),
            R"(tokenizer.json: "type" is "Magic", which is not known)");
}

}  // namespace
}  // namespace akin::tokenizer
