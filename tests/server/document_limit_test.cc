#include "server/api/document_limit.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace akin::server {
namespace {

// A token a character, and after some that say so `more` of no character.
Encoding CharactersAnd(const std::string& text, int more) {
  Encoding encoding;
  for (int i = 0; i < static_cast<int>(text.size()); ++i) {
    encoding.ids.push_back(1);
    encoding.offsets.emplace_back(i, i + 1);
  }
  const int end = static_cast<int>(text.size());
  for (int i = 0; i < more; ++i) {
    encoding.ids.push_back(2);
    encoding.offsets.emplace_back(end, end);
  }
  return encoding;
}

// Of "abcdefgh", so cut that it has no more than `most` tokens.
void ExpectCut(const EncodeDocument& encode, size_t most, std::string_view left, int64_t cut) {
  std::string document = "abcdefgh";
  const auto found = CutDocument(encode, most, document);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(document, left);
  EXPECT_EQ(*found, cut);
}

TEST(DocumentLimit, CutsBehindTheLastTokenThatIsKept) {
  const auto encode = [](const std::string& text) { return CharactersAnd(text, 0); };
  ExpectCut(encode, 3, "abc", 5);
}

TEST(DocumentLimit, KeepsLessWhereThePartHasMoreTokensThanItHadInTheWhole) {
  const auto encode = [](const std::string& text) {
    return CharactersAnd(text, text.size() < 3 ? 0 : 2);
  };
  ExpectCut(encode, 4, "ab", 8);
}

// It went on with more tokens than can be counted, of which it read the offsets.
TEST(DocumentLimit, EndsWhereATextWithoutACharacterHasMoreTokensThanAllowed) {
  int calls = 0;
  const auto encode = [&](const std::string& text) -> Result<Encoding> {
    if (++calls > 20) return Error(ErrorCode::kInternal, "it does not end");
    return CharactersAnd(text, 3);
  };
  ExpectCut(encode, 2, "", 8);
}

TEST(DocumentLimit, ATokenizersErrorIsTheAnswer) {
  std::string document = "abcdefgh";
  const auto encode = [](const std::string&) -> Result<Encoding> {
    return Error(ErrorCode::kInvalidInput, "no UTF-8");
  };
  const auto cut = CutDocument(encode, 2, document);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(document, "abcdefgh");
}

}  // namespace
}  // namespace akin::server
