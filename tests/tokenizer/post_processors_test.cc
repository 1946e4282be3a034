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

}  // namespace
}  // namespace akin::tokenizer
