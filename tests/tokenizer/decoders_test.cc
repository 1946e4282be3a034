// What the decoders make of token texts; the expected texts are the reference's.
#include "tokenizer/decoders/decoder.h"
#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

using Tokens = std::vector<std::string>;

std::string Decode(std::string_view decoder_json, Tokens tokens) {
  const auto json = formats::JsonDocument::Parse(decoder_json, "tokenizer.json");
  if (!json) return json.error().message();
  const auto decoder = LoadDecoder(json->root());
  if (!decoder) return decoder.error().message();
  size_t total_bytes = 0;
  for (const std::string& token : tokens) total_bytes += token.size();
  Budget budget(total_bytes);
  const Status status = (*decoder)->Decode(tokens, budget);
  if (!status) return status.error().message();
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

TEST(WordPieceDecoder, JoinsWordsAndCleansUpPunctuation) {
  constexpr std::string_view kCleaning = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  EXPECT_EQ(Decode(kCleaning, {"un", "##aff", "##able", ".", "do", "n't"}), "unaffable. don't");
  EXPECT_EQ(Decode(kCleaning, {"##a", "##b"}), "##ab");
  constexpr std::string_view kPlain = R"({"type":"WordPiece","prefix":"##","cleanup":false})";
  EXPECT_EQ(Decode(kPlain, {"a", ".", "b"}), "a . b");
}

TEST(ByteLevelDecoder, TurnsCharactersIntoBytes) {
  constexpr std::string_view kJson = R"({"type":"ByteLevel"})";
  EXPECT_EQ(Decode(kJson, {"Hello", "Ġworld", "Ċ", "Ã", "©"}), "Hello world\n\u00e9");
  EXPECT_EQ(Decode(kJson, {"a", "â", "Ĥ", "b"}), "a\uFFFDb");  // Two bytes of three: one.
  EXPECT_EQ(Decode(kJson, {"日本", "Ġ日"}), "日本Ġ日");        // Spells no bytes: as it is.
}

TEST(LossyUtf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(LossyUtf8("a\xF0\x9F\x92z"), "a\uFFFDz");
  EXPECT_EQ(LossyUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // A surrogate.
  EXPECT_EQ(LossyUtf8("\xC0\x80\xFF"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(LossyUtf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(LossyUtf8("\xE2\x82"), "\uFFFD");
  EXPECT_EQ(LossyUtf8("\xF0\x80\x80"), "\uFFFD\uFFFD\uFFFD");
}

TEST(MetaspaceDecoder, LeavesOutWhatEncodingPutInFront) {
  constexpr std::string_view kAlways =
      R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})";
  EXPECT_EQ(Decode(kAlways, {"▁Hel", "lo", "▁wor▁ld"}), "Hello wor ld");
  constexpr std::string_view kNever =
      R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"never"})";
  EXPECT_EQ(Decode(kNever, {"▁a", "▁b"}), " a b");
  constexpr std::string_view kOld =
      R"({"type":"Metaspace","replacement":"▁","add_prefix_space":false})";
  EXPECT_EQ(Decode(kOld, {"▁a", "▁b"}), " a b");
}

TEST(BpeDecoder, TheSuffixEndsAWord) {
  constexpr std::string_view kJson = R"({"type":"BPEDecoder","suffix":"</w>"})";
  EXPECT_EQ(Decode(kJson, {"Hel", "lo</w>", "world</w>"}), "Hello world");
}

TEST(ByteFallbackDecoder, JoinsBytesAndReplacesBrokenRuns) {
  constexpr std::string_view kJson = R"({"type":"ByteFallback"})";
  EXPECT_EQ(Decode(kJson, {"a", "<0xC3>", "<0xA9>", "b"}),
            "a\u00e9"
            "b");
  EXPECT_EQ(Decode(kJson, {"<0xC3>", "<0x41>", "b"}), "\uFFFD\uFFFDb");
  EXPECT_EQ(Decode(kJson, {"<0xZZ>", "<0x4>"}), "<0xZZ><0x4>");
}

TEST(StripDecoder, TakesAtMostSoManyOffEachEnd) {
  constexpr std::string_view kJson = R"({"type":"Strip","content":"H","start":1,"stop":1})";
  EXPECT_EQ(Decode(kJson, {"HHaH", "bH", "H"}), "Hab");
}

TEST(CtcDecoder, DropsRepetitionsAndPadding) {
  constexpr std::string_view kJson =
      R"({"type":"CTC","pad_token":"<pad>","word_delimiter_token":"|","cleanup":true})";
  EXPECT_EQ(Decode(kJson, {"<pad>", "h", "h", "e", "l", "<pad>", "l", "o", "o", "|", "a"}),
            "hello a");
}

TEST(DecoderSequence, RunsOneAfterTheOther) {
  EXPECT_EQ(Decode(R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},)"
                   R"("content":" "},{"type":"ByteFallback"},{"type":"Fuse"},)"
                   R"({"type":"Strip","content":" ","start":1,"stop":0}]})",
                   {"▁Hi", "▁there", "<0x21>"}),
            "Hi there!");
}

TEST(DecoderSequence, ReplacementsThatDoubleATextWithoutEndAreRefused) {
  std::string chain;
  for (int i = 0; i < 60; ++i) {
    chain += std::string(i == 0 ? "" : ",") +
             R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";
  }
  EXPECT_EQ(Decode(R"({"type":"Sequence","decoders":[)" + chain + "]}", {"a"}),
            "the tokenizer's Replace would make more than 65600 bytes of a text of 1");
}

TEST(Decoder, BrokenOnesAreNamed) {
  EXPECT_EQ(Decode(R"({"type":"Strip","content":"ab","start":1,"stop":1})", {}),
            R"(tokenizer.json: "content" is "ab", expected one character)");
  EXPECT_EQ(Decode(R"({"type":"Oracle"})", {}),
            R"(tokenizer.json: "type" is "Oracle", which is not known)");
}

TEST(Pipeline, DecodesWithoutADecoderByBlanks) {
  const auto pipeline = LoadTiny({});
  const int32_t ids[] = {7, 3, 4, 99999, -1, 1};
  EXPECT_EQ(pipeline->Decode(ids, true).value(), "hello un ##aff [CLS]");
}

}  // namespace
}  // namespace akin::tokenizer
