#include "akin/result.h"

#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"

namespace akin {
namespace {

std::string Message(std::string text) {
  return std::string(Error(ErrorCode::kInvalidModel, std::move(text)).message());
}

TEST(Error, ItsMessageHasNoControlCharacters) {
  EXPECT_EQ(Message("a\nb\x1b[31m\x7f\tc"), "a?b?[31m??c");
  EXPECT_EQ(Message(std::string("a\0b", 3)), "a?b");
  // U+009B, the begin of a terminal's command in one character, and the neighbours of its kind.
  EXPECT_EQ(Message("a\xc2\x9b"
                    "31m \xc2\x80\xc2\x9f"),
            "a?31m ??");
  EXPECT_EQ(Message("\xc2\xa0 \xc3\x9b \xe2\x82\xac \xc2"), "\xc2\xa0 \xc3\x9b \xe2\x82\xac \xc2");
}

TEST(Error, ItsMessageIsCutBehindACharacter) {
  EXPECT_EQ(Message(std::string(2048, 'a')), std::string(2048, 'a'));
  EXPECT_EQ(Message(std::string(5000, 'a')), std::string(2045, 'a') + "...");
  std::string euros;
  for (int i = 0; i < 1000; ++i) euros += "\xe2\x82\xac";
  // 681 of three bytes are 2,043; another one would be cut.
  EXPECT_EQ(Message(euros), euros.substr(0, 2043) + "...");
}

TEST(Error, WhatItIsAboutStaysWhenItIsReworded) {
  const Error error = Error(ErrorCode::kInvalidInput, "max_tokens is 9")
                          .With(TooManyTokens{.tokens = 9, .limit = 8})
                          .Of("max_tokens");
  const Error reworded = error.Reworded("text 1: max_tokens is 9");
  EXPECT_EQ(reworded.message(), "text 1: max_tokens is 9");
  EXPECT_EQ(reworded.field(), "max_tokens");
  EXPECT_EQ(reworded.too_many_tokens()->tokens, 9);
  EXPECT_EQ(Error(ErrorCode::kInternal, "text 1").field(), "");
}

TEST(OfText, NamesTheTextAndTheTextsWhereNothingElseIsToBlame) {
  EXPECT_EQ(OfText(3, InvalidInput("is too long")).message(), "text 3: is too long");
  EXPECT_EQ(OfText(3, InvalidInput("is too long")).field(), "texts");
  EXPECT_EQ(OfText(3, InvalidInput("max_tokens is 1").Of("max_tokens")).field(), "max_tokens");
}

}  // namespace
}  // namespace akin
