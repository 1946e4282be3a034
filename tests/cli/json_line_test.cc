#include "cli/json_line.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace akin::cli {
namespace {

Result<JsonLine> Parse(std::string line, const std::string& field = "text") {
  JsonLineParser parser(field);
  return parser.Parse(line, 0);
}

std::string ErrorOf(const std::string& line) {
  const auto result = Parse(line);
  return result ? "" : result.error().message();
}

TEST(JsonLine, TextAndIdAreFoundAmongOtherMembers) {
  const auto line = Parse(R"({"a":[1,{"b":null}],"id":"k-1","text":"A \"text\".\n\u00e9"})");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->text, "A \"text\".\n\u00e9");
  EXPECT_EQ(line->id, "\"k-1\"");
}

TEST(JsonLine, IdIsCarriedOverAsItStands) {
  for (const std::string id : {"7", "-0.50", "1e400", "123456789012345678901234567890",
                               "\"a\\u0041\\n\"", "true", "false"}) {
    const auto line = Parse("{\"id\": " + id + " , \"text\":\"t\"}");
    ASSERT_TRUE(line) << id;
    EXPECT_EQ(line->id, id);
  }
}

TEST(JsonLine, MissingIdAndNullAreNoId) {
  EXPECT_FALSE(Parse(R"({"text":"t"})")->id);
  EXPECT_FALSE(Parse(R"({"text":"t","id":null})")->id);
}

TEST(JsonLine, AnotherFieldCanHoldTheText) {
  EXPECT_EQ(Parse(R"({"text":"no","body":"yes"})", "body")->text, "yes");
}

TEST(JsonLine, LastOfDuplicateMembersCounts) {
  EXPECT_EQ(Parse(R"({"text":"first","text":"last"})")->text, "last");
}

TEST(JsonLine, OneParserReadsManyLines) {
  JsonLineParser parser("text");
  EXPECT_FALSE(parser.Parse(R"({"text":)", 0));
  EXPECT_EQ(parser.Parse(R"({"text":"a longer line than before"})", 0)->text,
            "a longer line than before");
  EXPECT_EQ(parser.Parse(R"({"text":""})", 0)->text, "");
}

TEST(JsonLine, WhatIsNoJsonIsRefused) {
  for (const std::string line :
       {"{", "hello", R"({"text":"a")", R"({"text":"a"}})", R"({"text":"a"} {})",
        R"({"text":"a",})", R"({"text":"a" "b":1})", R"({"text":"a","b":tru})",
        R"({"text":"a","b":01})", R"({"text":"a","b":1.})", R"({"text":"a","b":-})",
        R"({"text":"a","b":[1,]})", R"({"text":"a","b":NaN})", R"({"text":"a","b":"\x"})",
        R"({text:"a"})", "{\"text\":\"a\nb\"}", "{\"text\":\"a\",\"b\":\"\x01\"}"}) {
    const std::string message = ErrorOf(line);
    EXPECT_NE(message, "") << line;
  }
}

TEST(JsonLine, MessageSaysWhatWasFoundAndWhatWasExpected) {
  EXPECT_EQ(ErrorOf("[1]"), "is an array, expected an object with a field \"text\"");
  const std::pair<const char*, const char*> others[] = {
      {"5", "a number"},     {" -1e400 ", "a number"},
      {"\"a\"", "a string"}, {"true\r", "a boolean"},
      {"null", "null"},      {"123456789012345678901234567890", "a number"}};
  for (const auto& [line, what] : others) {
    EXPECT_EQ(ErrorOf(line),
              std::string("is ") + what + ", expected an object with a field \"text\"");
  }
  EXPECT_EQ(ErrorOf("{}"), "has no field \"text\"");
  EXPECT_EQ(ErrorOf(R"({"text":5})"), "field \"text\" is a number, expected a string");
  EXPECT_EQ(ErrorOf(R"({"text":null})"), "field \"text\" is null, expected a string");
  EXPECT_EQ(ErrorOf(R"({"text":"a","id":[1]})"),
            "\"id\" is an array, expected a string or a number");
  EXPECT_EQ(ErrorOf("{\"text\":\"ab\xff\"}"), "not UTF-8 at byte 12");
}

TEST(JsonLine, WhatBeginsLikeJsonAndIsNoneIsNotTakenForIt) {
  for (const char* line : {"text,id", "true enough", "null and void", "42 texts", "7,\"A text.\"",
                           "\"A quoted one\",1", "[a", "[1] [2]", "-", "nothing", "A text.", "]"}) {
    EXPECT_EQ(ErrorOf(line), "not JSON, expected an object with a field \"text\"") << line;
  }
}

TEST(JsonLine, MessageHoldsNoContentOfTheFile) {
  EXPECT_EQ(ErrorOf("a secret word").find("secret"), std::string::npos);
  EXPECT_EQ(ErrorOf(R"({"secret":1})").find("secret"), std::string::npos);
}

TEST(JsonLine, DeepNestingIsRefusedWithoutDeepRecursion) {
  const std::string deep(100'000, '[');
  EXPECT_NE(ErrorOf("{\"a\":" + deep), "");
  EXPECT_NE(ErrorOf("{\"text\":\"t\",\"a\":" + std::string(40, '[') + std::string(40, ']') + "}"),
            "");
}

TEST(JsonLine, TenMegabytesOfTextAreOneText) {
  const std::string text(10'000'000, 'x');
  const auto line = Parse("{\"text\":\"" + text + "\"}");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->text, text);
}

}  // namespace
}  // namespace akin::cli
