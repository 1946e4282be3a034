// Files that load, or nearly, and were made to cost: what they ask for is not in proportion to
// their size or to the text. Each is refused, or costs as much as another file.
#include <string>

#include "support/expect_error.h"
#include "support/time_limit.h"
#include "tokenizer/regex/regex.h"
#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

using Ids = std::vector<int32_t>;

Result<std::unique_ptr<const Pipeline>> Load(const Tiny& tiny) {
  return Pipeline::Load(tiny.Json(), "tokenizer.json");
}

Result<Encoding> TryEncode(const Tiny& tiny, std::string_view text, EncodeOptions options = {}) {
  AKIN_TRY_ASSIGN(const auto pipeline, Load(tiny));
  Scratch scratch;
  return pipeline->Encode(text, options, scratch);
}

// `count` times `item`, separated by commas.
std::string List(size_t count, std::string_view item) {
  std::string list;
  for (size_t i = 0; i < count; ++i) list.append(i == 0 ? "" : ",").append(item);
  return list;
}

std::string Sequence(std::string_view list_name, std::string_view stages) {
  return R"({"type":"Sequence",")" + std::string(list_name) + R"(":[)" + std::string(stages) + "]}";
}

std::string Repeated(std::string_view piece, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += piece;
  return text;
}

std::string Added(std::string_view content, bool lstrip = false, bool rstrip = false,
                  bool normalized = false) {
  const auto name = [](bool value) { return value ? "true" : "false"; };
  return R"({"id":0,"content":")" + std::string(content) + R"(","single_word":false,"lstrip":)" +
         name(lstrip) + R"(,"rstrip":)" + name(rstrip) + R"(,"normalized":)" + name(normalized) +
         R"(,"special":false})";
}

constexpr std::string_view kDoubleE =
    R"({"type":"Replace","pattern":{"String":"e"},"content":"ee"})";

TEST(Hostile, NormalizersThatDoubleALetterFortyTimesAreStopped) {
  ExpectError(TryEncode({.normalizer = Sequence("normalizers", List(40, kDoubleE))}, "e"),
              ErrorCode::kInvalidInput, "Replace", "65600 bytes of a text of 1");
  // Every stage that can write more than it reads.
  for (const std::string_view stage :
       {R"({"type":"ByteLevel"})",
        R"({"type":"Replace","pattern":{"Regex":"."},"content":"\u0120\u0120"})",
        R"({"type":"Replace","pattern":{"String":""},"content":"\u0120"})"}) {
    SCOPED_TRACE(stage);
    ExpectError(TryEncode({.normalizer = Sequence("normalizers", List(40, stage))}, "\u0120"),
                ErrorCode::kInvalidInput, "the tokenizer's");
  }
}

TEST(Hostile, ALongPrefixIsNotWrittenForEveryPart) {
  const Tiny tiny = {
      .added_tokens = "[" + Added("|") + "]",
      .normalizer = R"({"type":"Prepend","prepend":")" + std::string(50000, 'p') + R"("})"};
  EXPECT_TRUE(TryEncode(tiny, "a"));
  ExpectError(TryEncode(tiny, Repeated("a|", 1000)), ErrorCode::kInvalidInput, "Prepend");
}

TEST(Hostile, PreTokenizersThatDoubleATextFortyTimesAreStopped) {
  const std::string byte_level =
      R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
  const Tiny tiny = {.pre_tokenizer = Sequence("pretokenizers", List(40, byte_level))};
  ExpectError(TryEncode(tiny, "é"), ErrorCode::kInvalidInput, "ByteLevel");
  ExpectError(TryEncode(tiny, "é", {.with_offsets = true}), ErrorCode::kInvalidInput, "ByteLevel");
}

TEST(Hostile, AnAddedTokenThatGrowsWithoutEndIsInvalid) {
  ExpectError(Load({.added_tokens = "[" + Added("e", false, false, true) + "]",
                    .normalizer = Sequence("normalizers", List(40, kDoubleE))}),
              ErrorCode::kInvalidModel, "added_tokens", "cannot be normalized", "Replace");
}

TEST(Hostile, DecodersThatDoubleATextAreStopped) {
  for (const std::string_view stage :
       {R"({"type":"Replace","pattern":{"String":"h"},"content":"hh"})",
        R"({"type":"Replace","pattern":{"Regex":"."},"content":"hh"})",
        R"({"type":"BPEDecoder","suffix":""})"}) {
    SCOPED_TRACE(stage);
    const auto pipeline =
        Load({.decoder = Sequence("decoders", List(40, stage) + "," + R"({"type":"Fuse"})")});
    ASSERT_TRUE(pipeline) << pipeline.error().message();
    const int32_t ids[] = {7, 7};
    ExpectError((*pipeline)->Decode(ids, false), ErrorCode::kInvalidInput, "a text of 10");
  }
}

TEST(Hostile, StagesAreCounted) {
  const std::string_view lowercase = R"({"type":"Lowercase"})";
  EXPECT_TRUE(Load({.normalizer = Sequence("normalizers", List(255, lowercase))}));
  ExpectError(Load({.normalizer = Sequence("normalizers", List(256, lowercase))}),
              ErrorCode::kUnsupportedModel, "\"normalizer\" has 257 stages");
}

TEST(Hostile, ManyAddedTokensLoadInProportion) {
  std::string tokens = Added("token");
  for (int i = 0; i < 60000; ++i) tokens += "," + Added("token" + std::to_string(i));
  ExpectWithin(4, [&] { EXPECT_TRUE(Load({.added_tokens = "[" + tokens + "]"})); });
}

TEST(Hostile, ManyTemplateItemsLoadInProportion) {
  std::string items = R"({"Sequence":{"id":"A","type_id":0}})", definitions = R"("X":0)";
  for (int i = 0; i < 50000; ++i) {
    const std::string name = "\"t" + std::to_string(i) + "\"";
    items += R"(,{"SpecialToken":{"id":)" + name + R"(,"type_id":0}})";
    definitions += "," + name + R"(:{"ids":[],"tokens":[]})";
  }
  ExpectWithin(2, [&] {
    EXPECT_TRUE(Load({.post_processor = R"({"type":"TemplateProcessing","single":[)" + items +
                                        R"(],"pair":[],"special_tokens":{)" + definitions + "}}"}));
  });
}

std::string Template(std::string_view single, std::string_view pair, size_t num_ids) {
  return R"({"type":"TemplateProcessing","single":[)" + std::string(single) + R"(],"pair":[)" +
         std::string(pair) + R"(],"special_tokens":{"X":{"ids":[)" + List(num_ids, "1") +
         R"(],"tokens":[)" + List(num_ids, R"("x")") + "]}}}";
}

TEST(Hostile, ATemplateHasABoundedNumberOfTokens) {
  const std::string special = R"({"SpecialToken":{"id":"X","type_id":0}})";
  const std::string text = R"({"Sequence":{"id":"A","type_id":0}})";
  EXPECT_TRUE(Load({.post_processor = Template(List(2, special), "", 512)}));
  ExpectError(Load({.post_processor = Template(List(2000, special), "", 2000)}),
              ErrorCode::kUnsupportedModel, "post_processor.single[0].SpecialToken.id", "1024");
  ExpectError(Load({.post_processor = Template(text, List(1025, special), 1)}),
              ErrorCode::kUnsupportedModel, "post_processor.pair[1024].SpecialToken.id", "1024");
  EXPECT_TRUE(Load({.post_processor = Template(List(16, text), "", 0)}));
  ExpectError(Load({.post_processor = Template(List(17, text), "", 0)}),
              ErrorCode::kUnsupportedModel, "post_processor.single", "16 places");
}

TEST(Hostile, LongTokensAreRefused) {
  const std::string most(1024, 'x'), longer(1025, 'x');
  EXPECT_TRUE(Load({.added_tokens = "[" + Added(most) + "]"}));
  ExpectError(Load({.added_tokens = "[" + Added(longer) + "]"}), ErrorCode::kUnsupportedModel,
              "added_tokens[0]", "1025 bytes");
  // As it is after normalization, too.
  ExpectError(Load({.added_tokens = "[" + Added(std::string(600, 'e'), false, false, true) + "]",
                    .normalizer = std::string(kDoubleE)}),
              ErrorCode::kUnsupportedModel, "1200 bytes");
  ExpectError(Load({.post_processor = R"({"type":"BertProcessing","sep":["s",2],"cls":[")" +
                                      longer + R"(",1]})"}),
              ErrorCode::kUnsupportedModel, "post_processor.cls[0]");
}

TEST(Hostile, TokensOfBlanksCostNoMoreInALongRun) {
  const std::string blanks(300'000, ' ');
  for (const bool lstrip : {false, true}) {
    for (const bool rstrip : {false, true}) {
      const Tiny tiny = {.added_tokens = "[" + Added(" ", lstrip, rstrip) + "]"};
      ExpectWithin(3, [&] {
        const auto ids = TryEncode(tiny, "hello" + blanks + "hello");
        ASSERT_TRUE(ids) << ids.error().message();
        // As in the reference, what a token takes up may be found once more.
        EXPECT_EQ(ids->ids.size(), 2 + (lstrip && rstrip ? 1 : blanks.size()));
        const auto details = TryEncode(tiny, blanks, {.with_offsets = true});
        if (rstrip && !lstrip) {  // The texts of these tokens are long: all the rest of the run.
          ExpectError(details, ErrorCode::kInvalidInput, "added_tokens");
        } else {
          EXPECT_TRUE(details);
        }
      });
    }
  }
}

TEST(Hostile, ALongUnknownTokenIsNotToldForEveryWord) {
  const std::string unk(50'000, 'u');
  const Tiny tiny = {.model = R"({"type":"WordLevel","unk_token":")" + unk + R"(","vocab":{")" +
                              unk + R"(":0}})"};
  EXPECT_TRUE(TryEncode(tiny, "a", {.with_offsets = true}));
  EXPECT_EQ(TryEncode(tiny, Repeated("a ", 1000))->ids.size(), 1000u);
  ExpectError(TryEncode(tiny, Repeated("a ", 1000), {.with_offsets = true}),
              ErrorCode::kInvalidInput, "tokens");
}

TEST(Hostile, StepsOfARegexAreCountedOverAllPartsOfAText) {
  // Inside of a look-ahead nothing is remembered: 2^n steps for n letters.
  const Tiny tiny = {.added_tokens = "[" + Added("|") + "]",
                     .pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"(?=(?:a|a)*b)a"},)"
                                      R"("behavior":"Isolated","invert":false})"};
  const std::string part = std::string(10, 'a') + "|";
  EXPECT_TRUE(TryEncode(tiny, part));
  ExpectError(TryEncode(tiny, Repeated(part, 1000)), ErrorCode::kInvalidInput, "too many steps");
}

TEST(Hostile, WhatARegexHasLeftToTryIsBounded) {
  // Every letter leaves 400 alternatives behind.
  const auto regex = regex::Regex::Load("(?:" + Repeated("(?:|x)", 400) + "a)*b", "the pattern");
  ASSERT_TRUE(regex) << regex.error().message();
  std::vector<ByteRange> matches;
  size_t steps_left = SIZE_MAX;
  ExpectError(regex->FindAll(std::string(100'000, 'a'), 0, steps_left, matches),
              ErrorCode::kInvalidInput, "too many steps");
}

}  // namespace
}  // namespace akin::tokenizer
