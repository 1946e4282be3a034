#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "server/json_reader.h"
#include "server/json_writer.h"

namespace akin::server {
namespace {

JsonRequest Parsed(std::string body) {
  return std::move(JsonRequest::Parse(std::move(body))).value();
}

TEST(JsonReader, TellsOneTextFromOneListOfIds) {
  const auto items = [](const char* json) { return Parsed(json).TextsOrIds("x").value().value(); };
  EXPECT_EQ(items(R"({"x":"a"})").items[0].text, "a");
  EXPECT_FALSE(items(R"({"x":"a"})").is_list);
  const Inputs ids = items(R"({"x":[1,2,3]})");
  ASSERT_EQ(ids.items.size(), 1u);
  EXPECT_EQ(ids.items[0].ids, (std::vector<int32_t>{1, 2, 3}));
  const Inputs mixed = items(R"({"x":["a",[4],"b"]})");
  ASSERT_EQ(mixed.items.size(), 3u);
  EXPECT_TRUE(mixed.items[1].is_ids && !mixed.items[2].is_ids && mixed.is_list);
  EXPECT_TRUE(items(R"({"x":[]})").items.empty());
}

TEST(JsonReader, NullIsAbsentAndTheLastMemberCounts) {
  const JsonRequest body = Parsed(R"({"a":null,"b":1,"b":2})");
  EXPECT_FALSE(body.Has("a"));
  EXPECT_EQ(body.Int("b").value(), 2);
  EXPECT_EQ(body.String("c").value(), std::nullopt);
}

TEST(JsonReader, ErrorsNameTheFieldAndWhatWasFound) {
  const JsonRequest body = Parsed(R"({"a":"x","b":[1],"c":1.5})");
  EXPECT_EQ(body.Bool("a").error().message(), "`a` is a string, expected true or false");
  EXPECT_EQ(body.String("b").error().message(), "`b` is an array, expected a string");
  EXPECT_FALSE(body.Int("c"));
  EXPECT_FALSE(body.TextsOrIds("c"));
  const JsonRequest ids = Parsed(R"({"a":[1.5],"b":[1,2.5],"c":[[1.0]],"d":[1,"x"]})");
  bool is_list = false;
  for (const char* key : {"a", "b", "c"}) {
    EXPECT_EQ(ids.Ids(key, is_list).error().message(),
              std::string("`") + key +
                  "` has a number that is not written as a whole one, expected token ids");
  }
  EXPECT_EQ(ids.Ids("d", is_list).error().message(), "`d` is a string, expected a token id");
}

TEST(JsonReader, ListsThatAreTooLongAreCountedAndNotRead) {
  const auto list = [](const char* item, int n) {
    std::string text = R"({"x":[)";
    for (int i = 0; i < n; ++i) text += std::string(i > 0 ? "," : "") + item;
    return text + "]}";
  };
  const auto parsed = [](std::string body) {
    return std::move(JsonRequest::Parse(std::move(body), 100)).value();
  };
  bool is_list = false;
  const auto fails = [](const JsonRequest& body, const auto& read) {
    return !read && body.has_too_many() && read.error().field() == "x" &&
           read.error().message() == "batch size 101 > maximum allowed batch size 100";
  };
  {
    const JsonRequest body = parsed(list(R"("a")", 101));
    EXPECT_TRUE(fails(body, body.Strings("x")));
    EXPECT_TRUE(fails(body, body.StringOrStrings("x")));
    EXPECT_TRUE(fails(body, body.StringsOrObjects("x", "text")));
    EXPECT_TRUE(fails(body, body.TextsOrIds("x")));
  }
  const JsonRequest pairs = parsed(list(R"(["a","b"])", 101));
  EXPECT_TRUE(fails(pairs, pairs.TextsOrPairs("x", is_list)));
  const JsonRequest ids = parsed(list("[1]", 101));
  EXPECT_TRUE(fails(ids, ids.Ids("x", is_list)));
  const JsonRequest objects = parsed(list("{}", 101));
  EXPECT_TRUE(fails(objects, objects.Objects("x")));
  const JsonRequest within = parsed(R"({"y":)" + list(R"("a")", 101) + "}");
  EXPECT_TRUE(fails(within, within.Object("y").value()->Strings("x")));

  const JsonRequest hundred = parsed(list(R"("a")", 100));
  EXPECT_EQ(hundred.Strings("x").value()->size(), 100u);
  EXPECT_FALSE(hundred.has_too_many());
  const JsonRequest one_text = parsed(list("7", 101));  // Its tokens are not texts.
  EXPECT_EQ(one_text.TextsOrIds("x").value()->items[0].ids.size(), 101u);
  // Who reads a short list says what is too many of it.
  EXPECT_EQ(JsonRequest::Parse(list(R"("a")", 3), 1).value().Strings("x").value()->size(), 3u);
}

TEST(JsonReader, ListsOfNoTextsAreFew) {
  std::string few = R"({"x":["a")";
  for (size_t i = 1; i < kFewItems; ++i) few += R"(,"a")";
  for (const std::string& body : {few + "]}", std::string(R"({"x":"a"})"), std::string("{}")})
    EXPECT_TRUE(JsonRequest::Parse(body).value().CheckFew("x"));
  const JsonRequest more = std::move(JsonRequest::Parse(few + R"(,"a"]})")).value();
  const Status status = more.CheckFew("x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "`x` has 65 items, expected at most 64");
  EXPECT_EQ(status.error().field(), "x");
  EXPECT_FALSE(more.has_too_many());
}

TEST(JsonReader, DepthIsBounded) {
  const auto nested = [](size_t depth) {
    return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(JsonRequest::Parse(nested(20)));
  EXPECT_FALSE(JsonRequest::Parse(nested(kMaxJsonDepth + 1)));
  EXPECT_FALSE(JsonRequest::Parse(nested(500'000)));
}

TEST(JsonReader, NumbersOfAnySizeAreJsonAndNoneOfOurs) {
  const std::string digits(400, '9');
  for (const std::string& number :
       {std::string("18446744073709551616"), std::string("-9223372036854775809"),
        std::string("1e400"), std::string("-1E+400"), std::string("0.5e999"), digits,
        "-" + digits + ".0", std::string("1e99999999999999999999")}) {
    const auto body = JsonRequest::Parse(R"({"s":"1e400 \"01","x":[)" + number + R"(],"n":)" +
                                         number + R"(,"y":{"z":[-3]}})");
    ASSERT_TRUE(body) << number;
    EXPECT_EQ(body->String("s").value(), "1e400 \"01");
    EXPECT_EQ(body->Object("y").value()->Has("z"), true);
    EXPECT_EQ(body->Int("n").error().message(),
              "`n` has a number beyond 64 bits, expected a whole one within them");
    bool is_list = false;
    EXPECT_FALSE(body->Ids("x", is_list)) << number;
    EXPECT_FALSE(body->Bool("n")) << number;
  }
  // What is small is 0, and what is no number stays none, also beside one that is too large.
  EXPECT_TRUE(JsonRequest::Parse(R"({"x":1e-400})"));
  const std::string zeros(400, '0');
  EXPECT_TRUE(JsonRequest::Parse(R"({"x":1)" + zeros + "e-1}"));  // Too large all the same.
  EXPECT_TRUE(JsonRequest::Parse(R"({"x":0.)" + zeros + "1}"));
  for (const char* wrong : {"01", "1.", ".5", "1e", "1e+", "-", "--1", "+1", "1e400x", "1e400 1"}) {
    EXPECT_FALSE(JsonRequest::Parse(std::string(R"({"x":[1e400,)") + wrong + "]}")) << wrong;
  }
  // Of 64 bits, as they are.
  EXPECT_EQ(Parsed(R"({"n":9223372036854775807})").Int("n").value(), INT64_MAX);
  EXPECT_EQ(Parsed(R"({"n":-9223372036854775808})").Int("n").value(), INT64_MIN);
  EXPECT_FALSE(Parsed(R"({"n":9223372036854775808})").Int("n"));
}

// As a second reading of RFC 8259, 6.
bool IsNumber(const std::string& text) {
  static const std::regex kNumber(R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)");
  return std::regex_match(text, kNumber);
}

TEST(JsonReader, TakesEveryNumberAndNothingElseForOne) {
  std::mt19937 random(11);
  const std::string letters = "0123456789999+--..eE";
  int numbers = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text;
    for (size_t length = 1 + random() % 24; length > 0; --length)
      text += letters[random() % (random() % 2 == 0 ? 10 : letters.size())];
    numbers += IsNumber(text) ? 1 : 0;
    const auto body = JsonRequest::Parse(R"({"x":[1e999,)" + text + R"(],"s":"a"})");
    ASSERT_EQ(static_cast<bool>(body), IsNumber(text)) << text;
    if (body) {
      ASSERT_EQ(body->String("s").value(), "a") << text;
    }
  }
  EXPECT_GT(numbers, 2000);
}

TEST(JsonReader, WhatIsNoObjectIsAnError) {
  for (const char* body : {"", " ", "1", "[]", "\"a\"", "null", "{", "{}x", "{\"a\":}", "{'a':1}",
                           "{\"a\":NaN}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}"}) {
    EXPECT_FALSE(JsonRequest::Parse(body)) << body;
  }
}

TEST(JsonReader, ObjectsWithinLiveAsLongAsTheyAreUsed) {
  std::optional<JsonRequest> inner;
  {
    const JsonRequest outer = Parsed(R"({"o":{"s":"text"}})");
    inner = outer.Object("o").value();
  }
  EXPECT_EQ(inner->String("s").value(), "text");
}

TEST(JsonWriter, StringsAreEscapedAndAlwaysUtf8) {
  std::string out;
  AppendJsonString(out, "a\"\\\n\x01\xff\xc3\xa4\xed\xa0\x80");
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001?\xc3\xa4???\"");
}

TEST(JsonWriter, Base64HasItsPadding) {
  const auto coded = [](std::string_view text) {
    std::string out;
    AppendBase64(out, {reinterpret_cast<const unsigned char*>(text.data()), text.size()});
    return out;
  };
  EXPECT_EQ(coded(""), "");
  EXPECT_EQ(coded("f"), "Zg==");
  EXPECT_EQ(coded("fo"), "Zm8=");
  EXPECT_EQ(coded("foo"), "Zm9v");
  EXPECT_EQ(coded("foobar"), "Zm9vYmFy");
}

TEST(JsonWriter, ObjectsCloseThemselves) {
  std::string out;
  {
    JsonObject object(out);
    object.Add("a", 1).Add("b", "x").Add("c", true).AddNull("d");
    JsonObject(object.Key("e")).Add("f", 0.5);
  }
  EXPECT_EQ(out, R"({"a":1,"b":"x","c":true,"d":null,"e":{"f":0.5}})");
}

}  // namespace
}  // namespace akin::server
