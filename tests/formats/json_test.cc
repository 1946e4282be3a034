#include "formats/json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/expect_error.h"

namespace akin::formats {
namespace {

using namespace std::string_literals;

Result<JsonDocument> Parse(std::string_view text, JsonLimits limits = {}) {
  return JsonDocument::Parse(text, "f.json", limits);
}

void ExpectInvalid(std::string_view text) {
  SCOPED_TRACE(text);
  ExpectError(Parse(text), ErrorCode::kInvalidModel, "f.json");
}

std::string Repeated(std::string_view piece, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += piece;
  return text;
}

TEST(Json, TreeHasEveryValueInFileOrder) {
  const auto document = Parse(R"( {"a": [1, {"b": null}, "x"], "c": true, "d": {}, "e": []} )");
  ASSERT_TRUE(document);
  const JsonValue root = document->root();
  EXPECT_EQ(root.size(), 4u);
  std::vector<std::string> keys;
  for (const JsonValue member : root.elements()) keys.emplace_back(member.key());
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "c", "d", "e"}));

  const JsonValue a = root.Get("a").value();
  std::vector<JsonType> types;
  const JsonValue::Range elements = a.AsArray().value();
  for (const JsonValue element : elements) types.push_back(element.type());
  EXPECT_EQ(types,
            (std::vector<JsonType>{JsonType::kNumber, JsonType::kObject, JsonType::kString}));
  EXPECT_TRUE(root.Get("c").value().AsBool().value());
  EXPECT_EQ(root.Get("d").value().size(), 0u);
  EXPECT_FALSE(root.Get("e").value().elements().begin() != root.Get("e").value().elements().end());
  EXPECT_FALSE(root.Find("b").has_value());
}

TEST(Json, ScalarIsADocumentToo) {
  EXPECT_EQ(Parse(" 12 ")->root().AsInt().value(), 12);
  EXPECT_EQ(Parse("\"a\\n\"")->root().AsString().value(), "a\n");
  EXPECT_TRUE(Parse("null")->root().is_null());
  EXPECT_FALSE(Parse("false")->root().AsBool().value());
}

TEST(Json, ScalarsHaveNoElements) {
  const auto document = Parse(R"(["x", 1])");
  for (const JsonValue value : document->root().elements()) {
    for ([[maybe_unused]] const JsonValue child : value.elements()) ADD_FAILURE();
  }
}

TEST(Json, ValuesSurviveAMoveOfTheDocument) {
  auto document = Parse(R"({"key": "value"})");
  const JsonValue value = document->root().Get("key").value();
  const JsonDocument moved = std::move(document).value();
  EXPECT_EQ(value.AsString().value(), "value");
  EXPECT_EQ(moved.root().Get("key").value().AsString().value(), "value");
}

TEST(Json, OfDuplicateKeysTheLastCounts) {
  EXPECT_EQ(Parse(R"({"a": 1, "b": 2, "a": 3})")->root().Get("a").value().AsInt().value(), 3);
}

TEST(Json, EscapesBecomeTheirCharacters) {
  const auto document =
      Parse(R"({"\u0061\"": "\" \\ \/ \b\f\n\r\t \u00e9 \u20ac \ud83d\ude00 \uD83D\uDE00 é", "b":
            "untouched"})");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().Get("a\"").value().AsString().value(),
            "\" \\ / \b\f\n\r\t é € 😀 😀 é");
  EXPECT_EQ(document->root().Get("b").value().AsString().value(), "untouched");
}

TEST(Json, EscapedNulIsPartOfTheString) {
  const auto document = Parse(R"({"a\u0000b": "c\u0000"})");
  EXPECT_EQ(document->root().Get(std::string_view("a\0b", 3)).value().AsString().value(),
            std::string_view("c\0", 2));
  EXPECT_FALSE(document->root().Find("a").has_value());
}

TEST(Json, WrongEscapesAreRefused) {
  for (const char* text :
       {R"("\x")", R"("\u12")", R"("\u12g4")", R"("\ud800")", R"("\udc00")", R"("\ud800x")",
        R"("\ud800\n")", R"("\ud800\u0041")", R"("\ud800\ud800")", R"("\udc00\ud800")",
        R"({"\ud83d": 1})", R"({"a": "\'"})", R"("\u")", R"("\ud83d\u")", R"("\ud83d\)"}) {
    ExpectInvalid(text);
  }
}

TEST(Json, WhatIsNotOneJsonValueIsRefused) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[",
                           "]",
                           "[1",
                           "[1,",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "[1:2]",
                           "[\"a\":1]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":1 \"b\":2}",
                           "{\"a\",1}",
                           "{1:2}",
                           "{a:1}",
                           "{\"a\":1]",
                           "[1}",
                           "[[1]",
                           "[1]]",
                           "{} {}",
                           "[1] 2",
                           "1 2",
                           "\"a\" x",
                           "\"a\"x",
                           "\"a\"\"b\"",
                           "1]",
                           "nul",
                           "nulll",
                           "True",
                           "tru",
                           "truex",
                           "falsey",
                           "NaN",
                           "-NaN",
                           "Infinity",
                           "-Infinity",
                           "[NaN]",
                           "{\"a\":nan}",
                           "'a'",
                           "\"a",
                           "\"a\\\"",
                           "// x\n1",
                           "[1] // x",
                           "undefined",
                           "[true false]",
                           "\xEF\xBB\xBF{}",
                           "{\"a\":1}\n{",
                           ","}) {
    ExpectInvalid(text);
  }
}

TEST(Json, NumbersFollowTheGrammar) {
  for (const char* text : {"01", "-", "-01", "+1", "1.", ".5", "1.e5", "1e", "1e+", "0x10", "1_0",
                           "--1", "1e5.5", "00", "1a", "- 1", "1..2"}) {
    ExpectInvalid(text);
    ExpectInvalid(std::string("[") + text + "]");
  }
  for (const char* text : {"0", "-0", "10", "1.50", "1e5", "1E+05", "-1.25e-3", "0e0", "0.0"}) {
    const auto document = Parse(text);
    ASSERT_TRUE(document) << text;
    EXPECT_EQ(document->root().number_text(), text);
  }
}

TEST(Json, ControlCharactersInStringsAreRefused) {
  ExpectInvalid("\"a\nb\"");
  ExpectInvalid(std::string_view("\"a\0b\"", 5));
  ExpectInvalid("{\"a\tb\":1}");
  ExpectInvalid(std::string_view("{}\0", 3));
}

TEST(Json, InvalidUtf8IsRefused) {
  for (const char* bytes : {"\xFF", "\xC3\x28", "\xC0\xAF", "\xE2\x82", "\xED\xA0\x80",
                            "\xF4\x90\x80\x80", "\x80", "\xF0\x9F\x98"}) {
    ExpectInvalid(std::string("\"") + bytes + "\"");
    ExpectInvalid(std::string("{\"") + bytes + "\":1}");
  }
}

TEST(Json, IntegersAreExactOrAnError) {
  const auto read = [](std::string_view text) { return Parse(text)->root().AsInt(); };
  EXPECT_EQ(read("9223372036854775807").value(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(read("-9223372036854775808").value(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(read("-0").value(), 0);
  for (const char* text : {"9223372036854775808", "32.5", "32.0", "1e3", "1e30", "\"32\"", "true",
                           "null", "[1]", "{}"}) {
    SCOPED_TRACE(text);
    ExpectError(read(text), ErrorCode::kInvalidModel, "f.json is ", "expected an integer");
  }
}

TEST(Json, IntegersOutsideTheirBoundsNameThem) {
  const auto document = Parse(R"({"hidden_size": 0, "x": "3"})");
  ExpectError(document->root().Get("hidden_size").value().AsIntIn(1, 99), ErrorCode::kInvalidModel,
              "f.json: \"hidden_size\" is 0, expected an integer from 1 to 99");
  ExpectError(document->root().Get("x").value().AsIntIn(1, 99), ErrorCode::kInvalidModel,
              "is \"3\", expected an integer from 1 to 99");
  EXPECT_EQ(Parse("99")->root().AsIntIn(1, 99).value(), 99);
  EXPECT_EQ(Parse("1")->root().AsIntIn(1, 99).value(), 1);
  EXPECT_FALSE(Parse("100")->root().AsIntIn(1, 99));
}

TEST(Json, DoublesAreCorrectlyRounded) {
  const auto read = [](std::string_view text) { return Parse(text)->root().AsDouble().value(); };
  EXPECT_EQ(read("0.1"), 0.1);
  EXPECT_EQ(read("1000000000000000019884624838656"), 1e30);
  EXPECT_EQ(read("9007199254740993"), 9007199254740992.0);  // Halfway: to even.
  EXPECT_EQ(read("9007199254740993.00000000000000000000000000000000001"), 9007199254740994.0);
  EXPECT_EQ(read("2.2250738585072011e-308"), 2.2250738585072011e-308);
  EXPECT_EQ(read("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_EQ(read("5e-324"), std::numeric_limits<double>::denorm_min());
}

TEST(Json, NumbersTooSmallAreZeroAndTooLargeAnError) {
  const auto read = [](const std::string& text) { return Parse(text)->root().AsDouble(); };
  const std::string zeros(500, '0');
  for (const std::string& text : {std::string("1e-400"), "0." + zeros + "1", "1" + zeros + "e-900",
                                  std::string("1e-99999999999999999999"), "0e99999999999999999999"s,
                                  std::string("0.000e999")}) {
    ASSERT_TRUE(read(text)) << text;
    EXPECT_EQ(read(text).value(), 0.0) << text;
  }
  EXPECT_TRUE(std::signbit(read("-1e-400").value()));
  for (const std::string& text : {std::string("1e400"), "-1e309"s, "1" + zeros,
                                  "0." + zeros + "1e900", "1e99999999999999999999"s}) {
    ExpectError(read(text), ErrorCode::kInvalidModel, "f.json", "64-bit floating point");
  }
}

TEST(Json, TypedReadingSaysWhereAndWhatWasFound) {
  const auto document = Parse(R"({"model": {"vocab": [1, "two", {"x": null}]}, "s": "long)" +
                              std::string(100, 'g') + R"("})");
  const JsonValue vocab = document->root().Get("model").value().Get("vocab").value();
  auto it = vocab.elements().begin();
  ++it;
  ExpectError((*it).AsBool(), ErrorCode::kInvalidModel,
              "f.json: \"model.vocab[1]\" is \"two\", expected true or false");
  ++it;
  const JsonValue x = (*it).Get("x").value();
  EXPECT_EQ(x.Where(), "f.json: \"model.vocab[2].x\"");
  ExpectError(x.AsString(), ErrorCode::kInvalidModel, "is null, expected a string");
  ExpectError(x.AsDouble(), ErrorCode::kInvalidModel, "expected a number");
  ExpectError(x.AsArray(), ErrorCode::kInvalidModel, "expected an array");
  ExpectError(vocab.AsObject(), ErrorCode::kInvalidModel, "is an array, expected an object");
  ExpectError(vocab.Get("x"), ErrorCode::kInvalidModel, "is an array, expected an object");
  ExpectError((*it).Get("y"), ErrorCode::kInvalidModel, "f.json: \"model.vocab[2].y\" is missing");
  ExpectError(document->root().Get("y"), ErrorCode::kInvalidModel, "f.json: \"y\" is missing");
  EXPECT_EQ(document->root().Where(), "f.json");
  EXPECT_LE(document->root().Get("s").value().Found().size(), 46u);
}

TEST(Json, LongNamesAreCutAtACharacter) {
  std::string key(199, 'k');
  key += "é";  // Its second byte is the 201st.
  const auto document = Parse("{\"" + key + key + "\": 1}");
  const std::string where = (*document->root().elements().begin()).Where();
  EXPECT_EQ(where, "f.json: \"" + std::string(199, 'k') + "...\"");
}

TEST(Json, NestingIsLimited) {
  EXPECT_TRUE(Parse(Repeated("[", 128) + Repeated("]", 128)));
  ExpectError(Parse(Repeated("[", 129) + Repeated("]", 129)), ErrorCode::kInvalidModel, "f.json",
              "nested too deep");
  EXPECT_TRUE(Parse("[[[1]]]", {.max_depth = 3}));
  EXPECT_FALSE(Parse("[[[[1]]]]", {.max_depth = 3}));
  EXPECT_TRUE(Parse(Repeated("{\"a\":", 128) + "1" + Repeated("}", 128)));
  EXPECT_FALSE(Parse(Repeated("{\"a\":", 129) + "1" + Repeated("}", 129)));
}

TEST(Json, SizeIsLimited) {
  EXPECT_TRUE(Parse("[1, 2]", {.max_bytes = 6}));
  ExpectError(Parse("[1, 2]", {.max_bytes = 5}), ErrorCode::kInvalidModel,
              "holds 6 bytes, the limit is 5");
}

TEST(Json, HostileSizesTakeLinearTime) {
  const JsonLimits limits = {.max_bytes = size_t{64} << 20};
  std::string members = "{\"\":0";
  for (int i = 0; i < 50'000; ++i) members += ",\"k" + std::to_string(i) + "\":[0]";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(Parse(Repeated("[", 100'000) + Repeated("]", 100'000), limits));
  EXPECT_FALSE(Parse(Repeated("[", 1'000'000), limits));
  EXPECT_FALSE(Parse(Repeated("{\"a\":", 100'000), limits));
  EXPECT_FALSE(Parse(Repeated("[1,", 100), limits));
  EXPECT_EQ(Parse("[" + Repeated("0,", 1'000'000) + "0]", limits)->root().size(), 1'000'001u);
  EXPECT_EQ(Parse(members + "}", limits)->root().size(), 50'001u);
  EXPECT_TRUE(Parse("\"" + Repeated("\\u00e9", 1'000'000) + "\"", limits));
  EXPECT_EQ(Parse(Repeated("9", 1'000'000), limits)->root().number_text().size(), 1'000'000u);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(seconds.count(), 5.0);
}

TEST(Json, EveryCutOfADocumentIsRefused) {
  const std::string text = R"({"a": [1.5e3, "é\n", true, {"b": null, "c": [[], {}]}], "d": -2})";
  ASSERT_TRUE(Parse(text));
  for (size_t size = 0; size < text.size(); ++size) ExpectInvalid(text.substr(0, size));
}

// Reads everything that can be asked of a value and of those below it.
size_t Visit(const JsonValue& value) {
  size_t sum = value.Where().size() + value.Found().size() + value.key().size() +
               value.number_text().size() + value.size();
  sum += value.AsInt().has_value() + value.AsDouble().has_value() + value.AsString().has_value();
  for (const JsonValue child : value.elements()) sum += Visit(child);
  return sum;
}

TEST(Json, EveryChangedByteIsRefusedOrReadable) {
  const std::string text = R"({"a": [1.5e3, "é\n\ud83d\ude00", true, {"b": null}], "d": -2})";
  size_t sum = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[i] = static_cast<char>(byte);
      if (const auto document = Parse(changed)) sum += Visit(document->root());
    }
  }
  EXPECT_GT(sum, 0u);
}

}  // namespace
}  // namespace akin::formats
