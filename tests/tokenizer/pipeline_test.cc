#include "tokenizer/pipeline.h"

#include <thread>

#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

using Ids = std::vector<int32_t>;
using Offsets = std::vector<std::pair<int32_t, int32_t>>;

std::string LoadError(const Tiny& tiny) {
  const auto pipeline = Pipeline::Load(tiny.Json(), "tokenizer.json");
  return pipeline ? "" : pipeline.error().message();
}

TEST(Pipeline, InvalidUtf8IsReportedWithItsByte) {
  const auto pipeline = LoadTiny({});
  Scratch scratch;
  std::vector<int32_t> ids;
  int32_t truncated = 0;
  const std::pair<std::string_view, int> cases[] = {{"\xFF", 0},
                                                    {"hello w\xC3", 7},
                                                    {"é\xE2\x82", 2},
                                                    {"aaaaaaaaaaaaaaaa\x80", 16},
                                                    {"\xED\xA0\x80", 0},  // A surrogate.
                                                    {"\xC0\x80", 0},      // An overlong NUL.
                                                    {"\xF4\x90\x80\x80", 0}};
  for (const auto& [text, byte] : cases) {
    const Status status = pipeline->Encode(text, {}, scratch, ids, nullptr, truncated);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidInput);
    EXPECT_EQ(status.error().message(), "text is not UTF-8 at byte " + std::to_string(byte));
    EXPECT_TRUE(ids.empty());
  }
}

TEST(Pipeline, OffsetsSliceTheOriginalText) {
  const auto pipeline = LoadTiny({.normalizer = R"({"type":"Lowercase"})"});
  EXPECT_EQ(Encode(*pipeline, "É HELLO").offsets, (Offsets{{0, 1}, {2, 7}}));
}

TEST(Pipeline, TruncatedTokensAreCounted) {
  const auto pipeline = LoadTiny({.post_processor = std::string(kClsSep)});
  const Encoding encoding =
      Encode(*pipeline, "hello unaffable hello", {.max_tokens = 4, .with_offsets = true});
  EXPECT_EQ(encoding.ids, (Ids{1, 7, 3, 2}));
  EXPECT_EQ(encoding.truncated, 3);
  EXPECT_EQ(Encode(*pipeline, "hello", {.max_tokens = 2}).ids, (Ids{1, 2}));
}

TEST(Pipeline, TheFilesOwnLimitHoldsUnlessTheCallHasOne) {
  const auto pipeline =
      LoadTiny({.truncation =
                    R"({"max_length":2,"stride":0,"strategy":"LongestFirst","direction":"Left"})"});
  EXPECT_EQ(Encode(*pipeline, "hello hello é").ids, (Ids{7, 8}));
  EXPECT_EQ(Encode(*pipeline, "hello hello é", {.max_tokens = 9}).ids, (Ids{7, 7, 8}));
}

TEST(Pipeline, ALimitBelowTheSpecialTokensIsAnError) {
  const auto pipeline = LoadTiny({.post_processor = std::string(kClsSep)});
  Scratch scratch;
  const auto encoding = pipeline->Encode("hello", {.max_tokens = 1}, scratch);
  ASSERT_FALSE(encoding);
  EXPECT_EQ(encoding.error().message(), "max_tokens is 1, fewer than the 2 special tokens");
}

TEST(Pipeline, AnEmptyTextIsSpecialTokensOnly) {
  const auto pipeline = LoadTiny({.post_processor = std::string(kClsSep)});
  EXPECT_EQ(Encode(*pipeline, "").ids, (Ids{1, 2}));
  EXPECT_TRUE(Encode(*pipeline, "", {.add_special_tokens = false}).ids.empty());
}

TEST(Pipeline, TenMegabytesAreOneTextLikeAnother) {
  const auto pipeline = LoadTiny({});
  std::string text;
  while (text.size() < 10'000'000) text += "hello unaffable ";
  Scratch scratch;
  std::vector<int32_t> ids;
  int32_t truncated = 0;
  ASSERT_TRUE(pipeline->Encode(text, {.max_tokens = 512}, scratch, ids, nullptr, truncated));
  EXPECT_EQ(ids.size(), 512u);
  EXPECT_EQ(truncated, 4 * 625'000 - 512);
}

TEST(Pipeline, AWordOfAMegabyteIsOneUnknownToken) {
  EXPECT_EQ(Encode(*LoadTiny({}), std::string(1 << 20, 'a')).ids, Ids{0});
}

TEST(Pipeline, ThreadsShareOneWithoutLocks) {
  const auto pipeline = LoadTiny({.normalizer = R"({"type":"NFC"})"});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Scratch scratch;
      for (int i = 0; i < 200; ++i) {
        std::vector<int32_t> ids;
        int32_t truncated = 0;
        ASSERT_TRUE(pipeline->Encode("e\u0301 hello", {}, scratch, ids, nullptr, truncated));
        ASSERT_EQ(ids, (Ids{8, 7}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Pipeline, WhatItCanGiveIsKnown) {
  const auto pipeline = LoadTiny(
      {.added_tokens = R"([{"id":50,"content":"new","single_word":false,"lstrip":false,)"
                       R"("rstrip":false,"normalized":false,"special":true}])",
       .post_processor = R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"X",)"
                         R"("type_id":3}},{"Sequence":{"id":"A","type_id":1}}],"pair":[],)"
                         R"("special_tokens":{"X":{"id":"X","ids":[99],"tokens":["X"]}}})"});
  EXPECT_EQ(pipeline->max_id(), 99);
  EXPECT_EQ(pipeline->max_type_id(), 3);
  EXPECT_EQ(pipeline->num_special_tokens(), 1);
  EXPECT_EQ(pipeline->vocab_size(), 11u);
  EXPECT_EQ(pipeline->TokenToId("new"), 10);  // The id in the file is not used.
}

TEST(Pipeline, BrokenPartsAreNamedWithTheirKey) {
  const std::pair<Tiny, std::string> cases[] = {
      {{.pre_tokenizer = R"({"type":"Metaspace"})"},
       R"(tokenizer.json: "pre_tokenizer.replacement" is missing)"},
      {{.model = R"({"type":"Quantum"})"},
       R"(tokenizer.json: "model.type" is "Quantum", which is not known)"},
      {{.decoder = R"({"type":"Oracle"})"},
       R"(tokenizer.json: "decoder.type" is "Oracle", which is not known)"},
      {{.model = R"({"type":"WordLevel","vocab":{"a":0},"unk_token":"?"})"},
       R"(tokenizer.json: "model.unk_token" is "?", which is not in the vocabulary)"},
      {{.model = R"({"type":"WordLevel","vocab":{"a":3,"b":3},"unk_token":"a"})"},
       R"(tokenizer.json: "model.vocab" gives the id 3 to two pieces, a and b)"},
      {{.truncation = R"({"max_length":10,"stride":99,"strategy":"LongestFirst"})"},
       R"(tokenizer.json: "truncation.stride" is 99, not below the 10 tokens of a text that are kept)"},
      {{.truncation = R"({"max_length":1,"stride":0,"strategy":"LongestFirst"})",
        .post_processor = std::string(kClsSep)},
       R"(tokenizer.json: "truncation.max_length" is 1, fewer than the 2 special tokens)"},
  };
  for (const auto& [tiny, message] : cases) EXPECT_EQ(LoadError(tiny), message);
}

}  // namespace
}  // namespace akin::tokenizer
