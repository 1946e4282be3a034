#include "cli/utf8.h"

#include <gtest/gtest.h>

#include "cli/json_writer.h"

namespace akin::cli {
namespace {

TEST(Utf8, FirstBrokenByteIsFound) {
  EXPECT_EQ(FindInvalidUtf8("plain \u00e9 東 \U0001F600"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8(std::string_view("a\0b", 3)), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8("ab\xff"), 2u);
  EXPECT_EQ(FindInvalidUtf8("a\xC3"), 1u);             // Cut short.
  EXPECT_EQ(FindInvalidUtf8("\xC0\xAF"), 0u);          // Overlong.
  EXPECT_EQ(FindInvalidUtf8("\xE0\x80\xAF"), 0u);      // Overlong.
  EXPECT_EQ(FindInvalidUtf8("x\xED\xA0\x80"), 1u);     // Surrogate.
  EXPECT_EQ(FindInvalidUtf8("\xF4\x90\x80\x80"), 0u);  // Past U+10FFFF.
}

TEST(Utf8, WidthIsWhatATerminalShows) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("東京"), 4);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1);
  EXPECT_EQ(DisplayWidth("\U0001F600"), 2);
}

TEST(Utf8, TextIsCutToItsColumnsWithAnEllipsis) {
  EXPECT_EQ(FitToWidth("abcdef", 6), "abcdef");
  EXPECT_EQ(FitToWidth("abcdef", 5), "abcd…");
  EXPECT_EQ(FitToWidth("東京都", 5), "東京…");
  EXPECT_EQ(FitToWidth("東京都", 4), "東…");
  EXPECT_EQ(FitToWidth("abc", 0), "");
  EXPECT_EQ(PadToWidth("東", 4), "東  ");
}

TEST(Utf8, ControlCharactersNeverReachATerminal) {
  EXPECT_EQ(FitToWidth("a\x1b[31mb\tc\nd\x7f", 80), "a [31mb c d ");
  EXPECT_EQ(FitToWidth("a\xffz", 80), "a\uFFFDz");
}

TEST(JsonWriter, StringsAreEscapedAndAlwaysUtf8) {
  EXPECT_EQ(JsonString("a\"b\\c\n\x01\u00e9"), R"("a\"b\\c\n\u0001é")");
  EXPECT_EQ(JsonString("a\xff"), "\"a\uFFFD\"");
}

TEST(JsonWriter, ObjectsHoldTheirMembersInOrder) {
  EXPECT_EQ(JsonObject().Add("a", 1).Add("b", "x").Add("c", true).Add("d", 0.5).str(),
            R"({"a":1,"b":"x","c":true,"d":0.5})");
}

}  // namespace
}  // namespace akin::cli
