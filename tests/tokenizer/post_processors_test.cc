#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

using Ids = std::vector<int32_t>;

TEST(BertProcessing, PutsClsAndSepAroundTheText) {
  const Encoding encoding = Encode(*LoadTiny({.post_processor = std::string(kClsSep)}), "hello");
  EXPECT_EQ(encoding.ids, (Ids{1, 7, 2}));
  EXPECT_EQ(encoding.tokens, (std::vector<std::string>{"[CLS]", "hello", "[SEP]"}));
  EXPECT_EQ(encoding.special_tokens_mask, (std::vector<uint8_t>{1, 0, 1}));
  EXPECT_EQ(encoding.word_ids[0], std::nullopt);
}

TEST(TemplateProcessing, ASpecialTokenMayBeSeveralAndTheTextMayComeTwice) {
  const auto pipeline = LoadTiny(
      {.post_processor = R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A",)"
                         R"("type_id":1}},{"SpecialToken":{"id":"X","type_id":2}},)"
                         R"({"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":)"
                         R"({"X":{"id":"X","ids":[5,6],"tokens":["x","y"]}}})"});
  const Encoding encoding = Encode(*pipeline, "hello");
  EXPECT_EQ(encoding.ids, (Ids{7, 5, 6, 7}));
  EXPECT_EQ(encoding.type_ids, (Ids{1, 2, 2, 0}));
  EXPECT_EQ(encoding.tokens, (std::vector<std::string>{"hello", "x", "y", "hello"}));
}

TEST(TemplateProcessing, TypeIdsComeFromTheTemplateAlsoWithoutSpecialTokens) {
  const auto pipeline =
      LoadTiny({.post_processor = R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A",)"
                                  R"("type_id":1}}],"pair":[],"special_tokens":{}})"});
  EXPECT_EQ(Encode(*pipeline, "hello", {.add_special_tokens = false}).type_ids, Ids{1});
}

Encoding EncodePair(const Tiny& tiny, EncodeOptions options = {.with_offsets = true}) {
  Scratch scratch;
  auto encoding = LoadTiny(tiny)->EncodePair("hello", "un é", options, scratch);
  if (!encoding) ADD_FAILURE() << encoding.error().message();
  return encoding ? *encoding : Encoding();
}

TEST(NoPostProcessor, PutsAPairEndToEnd) {
  const Encoding encoding = EncodePair({});
  EXPECT_EQ(encoding.ids, (Ids{7, 3, 8}));
  EXPECT_EQ(encoding.type_ids, (Ids{0, 1, 1}));
  EXPECT_EQ(encoding.offsets[2], (std::pair<int32_t, int32_t>{3, 4}));  // Of the second text.
}

TEST(BertProcessing, TheSecondTextHasType1) {
  const Encoding encoding = EncodePair({.post_processor = std::string(kClsSep)});
  EXPECT_EQ(encoding.ids, (Ids{1, 7, 2, 3, 8, 2}));
  EXPECT_EQ(encoding.type_ids, (Ids{0, 0, 0, 1, 1, 1}));
}

constexpr std::string_view kRoberta =
    R"({"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",1],"trim_offsets":true,)"
    R"("add_prefix_space":true})";

TEST(RobertaProcessing, PutsTwoSeparatorsBetweenAndKnowsNoTypes) {
  const Encoding encoding = EncodePair({.post_processor = std::string(kRoberta)});
  EXPECT_EQ(encoding.ids, (Ids{1, 7, 2, 2, 3, 8, 2}));
  EXPECT_EQ(encoding.type_ids, Ids(7, 0));
  EXPECT_EQ(
      EncodePair({.post_processor = std::string(kRoberta)}, {.add_special_tokens = false}).type_ids,
      Ids(3, 0));
}

// A vocabulary whose tokens carry their blanks.
std::vector<std::pair<int32_t, int32_t>> OffsetsOf(const std::string& processor,
                                                   std::string_view text) {
  const Tiny tiny = {
      .pre_tokenizer = "null",
      .model = R"({"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"",)"
               R"("max_input_chars_per_word":99,"vocab":{"?":0," a":1,"  a":2,"b ":3," ":4}})",
      .post_processor = processor};
  return Encode(*LoadTiny(tiny), text).offsets;
}

TEST(ByteLevelProcessing, TrimsTheBlanksOfTokens) {
  using Offsets = std::vector<std::pair<int32_t, int32_t>>;
  const std::string trims = R"({"type":"ByteLevel","trim_offsets":true,"add_prefix_space":false})";
  EXPECT_EQ(OffsetsOf(trims, " a  ab  "), (Offsets{{1, 2}, {4, 5}, {5, 6}, {8, 8}}));
  // One blank in front was added by the encoder and is not in the text; two are.
  const std::string adds = R"({"type":"ByteLevel","trim_offsets":true,"add_prefix_space":true})";
  EXPECT_EQ(OffsetsOf(adds, " a a"), (Offsets{{0, 2}, {3, 4}}));
  EXPECT_EQ(OffsetsOf(adds, "  a"), (Offsets{{2, 3}}));
  const std::string keeps = R"({"type":"ByteLevel","trim_offsets":false,"add_prefix_space":true})";
  EXPECT_EQ(OffsetsOf(keeps, " a a"), (Offsets{{0, 2}, {2, 4}}));
}

TEST(ProcessingSequence, OneAddsTokensAndTheOthersCorrectOffsets) {
  const std::string trims = R"({"type":"ByteLevel","trim_offsets":true,"add_prefix_space":false})";
  const Tiny tiny = {.post_processor = R"({"type":"Sequence","processors":[)" + trims + "," +
                                       std::string(kClsSep) + "]}"};
  EXPECT_EQ(EncodePair(tiny).ids, (Ids{1, 7, 2, 3, 8, 2}));
  const Tiny twice = {.post_processor = R"({"type":"Sequence","processors":[)" +
                                        std::string(kClsSep) + "," + std::string(kClsSep) + "]}"};
  const auto refused = Pipeline::Load(twice.Json(), "tokenizer.json");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupportedModel);
}

TEST(TemplateProcessing, APairMayComeInTheOrderBA) {
  const Tiny tiny = {
      .post_processor = R"({"type":"TemplateProcessing","single":[],"pair":[{"Sequence":{"id":"B",)"
                        R"("type_id":3}},{"Sequence":{"id":"A","type_id":4}}],)"
                        R"("special_tokens":{}})"};
  EXPECT_EQ(EncodePair(tiny).ids, (Ids{3, 8, 7}));
  EXPECT_EQ(EncodePair(tiny).type_ids, (Ids{3, 3, 4}));
}

}  // namespace
}  // namespace akin::tokenizer
