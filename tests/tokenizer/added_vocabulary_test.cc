#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

using Ids = std::vector<int32_t>;

struct Flags {
  bool single_word = false, lstrip = false, rstrip = false, normalized = false;
};

std::string Added(const std::string& content, Flags flags = {}) {
  const auto name = [](bool value) { return value ? "true" : "false"; };
  return R"({"id":0,"content":")" + content + R"(","single_word":)" + name(flags.single_word) +
         R"(,"lstrip":)" + name(flags.lstrip) + R"(,"rstrip":)" + name(flags.rstrip) +
         R"(,"normalized":)" + name(flags.normalized) + R"(,"special":false})";
}

// The texts of the tokens, with one added token and WordLevel words.
std::vector<std::string> Tokens(const std::string& added, std::string_view text,
                                const std::string& normalizer = "null") {
  return Encode(*LoadTiny({.added_tokens = "[" + added + "]", .normalizer = normalizer}), text)
      .tokens;
}

TEST(AddedVocabulary, TheLeftmostThenTheLongestMatchCounts) {
  EXPECT_EQ(Tokens(Added("ab") + "," + Added("abc") + "," + Added("bcd"), "abcd"),
            (std::vector<std::string>{"abc", "[UNK]"}));
}

TEST(AddedVocabulary, StrippingTakesTheBlanksIntoTheToken) {
  EXPECT_EQ(Tokens(Added("<x>", {.lstrip = true, .rstrip = true}), "é \u3000<x>\n é"),
            (std::vector<std::string>{"é", " \u3000<x>\n ", "é"}));
}

TEST(AddedVocabulary, ASingleWordHasNoWordCharacterBesideIt) {
  EXPECT_EQ(Tokens(Added("tok", {.single_word = true}), "tok atok tok."),
            (std::vector<std::string>{"tok", "[UNK]", "tok", "[UNK]"}));
}

TEST(AddedVocabulary, NormalizedTokensAreFoundByTheirNormalizedContent) {
  const std::string lowercase = R"({"type":"Lowercase"})";
  EXPECT_EQ(Tokens(Added("Tok", {.normalized = true}), "TOK", lowercase),
            (std::vector<std::string>{"tok"}));
  EXPECT_EQ(Tokens(Added("Tok"), "TOK", lowercase), (std::vector<std::string>{"[UNK]"}));
}

TEST(AddedVocabulary, IdsComeFromTheModelOrAreTheNextFree) {
  const auto pipeline =
      LoadTiny({.added_tokens = "[" + Added("new") + "," + Added("hello") + "," + Added("newer") +
                                "," + Added("new", {.rstrip = true}) + "]"});
  EXPECT_EQ(Encode(*pipeline, "new hello newer").ids, (Ids{10, 7, 11}));
  EXPECT_EQ(pipeline->vocab_size(), 12u);
}

TEST(AddedVocabulary, AMissingContentIsNamed) {
  const auto pipeline =
      Pipeline::Load(Tiny{.added_tokens = R"([{"id":1}])"}.Json(), "tokenizer.json");
  ASSERT_FALSE(pipeline);
  EXPECT_EQ(pipeline.error().message(), R"(tokenizer.json: "added_tokens[0].content" is missing)");
}

}  // namespace
}  // namespace akin::tokenizer
