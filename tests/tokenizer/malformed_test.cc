// Broken tokenizer files (tests/data/tokenizers/malformed): each is refused with a message that
// names the file.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tokenizer/tiny.h"

namespace akin::tokenizer {
namespace {

TEST(MalformedTokenizer, EveryFileIsRefused) {
  int num_files = 0;
  const auto folder = std::filesystem::path(AKIN_TEST_DATA) / "tokenizers/malformed";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    const auto pipeline = Pipeline::Load(text.str(), "tokenizer.json");
    ++num_files;
    ASSERT_FALSE(pipeline);
    EXPECT_TRUE(pipeline.error().code() == ErrorCode::kInvalidModel ||
                pipeline.error().code() == ErrorCode::kUnsupportedModel);
    EXPECT_TRUE(pipeline.error().message().starts_with("tokenizer.json"))
        << pipeline.error().message();
  }
  EXPECT_EQ(num_files, 47);
}

TEST(MalformedTokenizer, DeepNestingIsInvalid) {
  std::string normalizer = R"({"type":"NFC"})";
  for (int i = 0; i < 5000; ++i) {
    normalizer = R"({"type":"Sequence","normalizers":[)" + normalizer + "]}";
  }
  const auto pipeline = Pipeline::Load(Tiny{.normalizer = normalizer}.Json(), "tokenizer.json");
  ASSERT_FALSE(pipeline);
  EXPECT_EQ(pipeline.error().code(), ErrorCode::kInvalidModel);
}

TEST(MalformedTokenizer, ATemplateNeedsItsSpecialTokensDefined) {
  const auto pipeline = Pipeline::Load(
      Tiny{.post_processor =
               R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]",)"
               R"("type_id":0}}],"pair":[],"special_tokens":{}})"}
          .Json(),
      "tokenizer.json");
  ASSERT_FALSE(pipeline);
  EXPECT_EQ(pipeline.error().code(), ErrorCode::kInvalidModel);
  EXPECT_EQ(pipeline.error().message(),
            R"(tokenizer.json: "post_processor.single[0].SpecialToken.id" is "[CLS]", )"
            "which special_tokens does not define");
}

}  // namespace
}  // namespace akin::tokenizer
