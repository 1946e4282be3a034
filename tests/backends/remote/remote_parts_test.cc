// The parts of the backend remote that need no network; remote_test.py has the rest.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backends/remote/circuit_breaker.h"
#include "backends/remote/dialect.h"
#include "formats/base64.h"
#include "support/expect_error.h"

namespace akin::backends::remote {
namespace {

using std::chrono::milliseconds;
using Clock = CircuitBreaker::Clock;

TEST(CircuitBreaker, OpensAfterFailuresInARowAndLetsOneTryAfterARest) {
  CircuitBreaker breaker({.failures = 3, .first_rest = milliseconds(100)});
  Clock::time_point now{};
  for (int i = 0; i < 2; ++i) breaker.Failed(now);
  breaker.Succeeded();  // The row is broken.
  for (int i = 0; i < 2; ++i) breaker.Failed(now);
  EXPECT_TRUE(breaker.Admits(now));
  breaker.Failed(now);
  EXPECT_FALSE(breaker.Admits(now));
  EXPECT_EQ(breaker.Rest(now), milliseconds(100));
  now += milliseconds(100);
  EXPECT_TRUE(breaker.Admits(now));
  EXPECT_FALSE(breaker.Admits(now)) << "one is on trial";
  breaker.Succeeded();
  EXPECT_TRUE(breaker.Admits(now));
  EXPECT_TRUE(breaker.Admits(now));
}

TEST(CircuitBreaker, RestsTwiceAsLongAfterAFailedTrialUpToTheLongest) {
  CircuitBreaker breaker(
      {.failures = 1, .first_rest = milliseconds(100), .longest_rest = milliseconds(300)});
  Clock::time_point now{};
  breaker.Failed(now);
  for (const int rest : {100, 200, 300, 300}) {
    breaker.Failed(now);  // One that was under way when it opened changes nothing.
    EXPECT_EQ(breaker.Rest(now), milliseconds(rest));
    now += milliseconds(rest);
    ASSERT_TRUE(breaker.Admits(now));
    breaker.Failed(now);
  }
}

TEST(Dialect, PathFitsAddressesWithAndWithoutVersion) {
  EXPECT_EQ(RoutePath(RemoteDialect::kOpenAi, "http://h"), "/v1/embeddings");
  EXPECT_EQ(RoutePath(RemoteDialect::kOpenAi, "http://h/v1"), "/embeddings");
  EXPECT_EQ(RoutePath(RemoteDialect::kTei, "http://h"), "/embed");
}

TEST(Dialect, TextsAreEscaped) {
  const std::vector<std::string_view> texts{"a\"b\\c\n\x01", "é"};
  EXPECT_EQ(WriteRequest(texts, {.dialect = RemoteDialect::kTei, .normalize = false}),
            R"({"inputs":["a\"b\\c\u000a\u0001","é"],"truncate":true,"normalize":false})");
}

TEST(Dialect, VectorsAreReadInTheOrderOfTheTexts) {
  size_t width = 0;
  std::vector<float> values;
  ASSERT_TRUE(ReadVectors(
      R"({"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":"AACAPwAAAEA="}]})",
      RemoteDialect::kOpenAi, 2, width, values));
  EXPECT_EQ(width, 2u);
  EXPECT_EQ(values, (std::vector<float>{1, 2, 3, 4}));
  ASSERT_TRUE(ReadVectors("[[5,6.5]]", RemoteDialect::kTei, 1, width, values));
  EXPECT_EQ(values, (std::vector<float>{1, 2, 3, 4, 5, 6.5}));
}

TEST(Dialect, WrongAnswersAreRefused) {
  const auto refused = [](RemoteDialect dialect, std::string_view body, std::string_view words) {
    size_t width = 2;
    std::vector<float> values;
    ExpectError(ReadVectors(body, dialect, 2, width, values), ErrorCode::kInternal, words);
  };
  const auto openai = RemoteDialect::kOpenAi, tei = RemoteDialect::kTei;
  refused(tei, "[[1,2]]", "1 vectors, the request had 2");
  refused(tei, "[[1,2],[3]]", "has 1 values, expected 2");
  refused(tei, "[[1,2],[3,null]]", "not finite");
  refused(tei, "[[1,2],[3,1e39]]", "not finite");
  refused(tei, "[[1,2],[3,\"x\"]]", "expected");
  refused(tei, "[[1,2],[3,4", "answer");
  refused(tei, "{\"error\":\"x\"}", "expected");
  refused(openai, "[[1,2],[3,4]]", "expected an object");
  refused(openai, R"({"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]}]})",
          "which has one");
  refused(openai, R"({"data":[{"index":0,"embedding":[1,2]},{"index":2,"embedding":[1,2]}]})",
          "the request had 2");
  refused(openai, R"({"data":[{"embedding":"AACAPwAAAEA="},{"embedding":"AACAPwAAAE"}]})",
          "not base64");
}

TEST(Dialect, ReasonIsFoundInEveryShapeOfError) {
  EXPECT_EQ(ReadReason(R"({"error":{"message":"too long","type":"x"}})"), "too long");
  EXPECT_EQ(ReadReason(R"({"error":"too long","error_type":"Validation"})"), "too long");
  EXPECT_EQ(ReadReason(R"({"message":"too long"})"), "too long");
  EXPECT_EQ(ReadReason("<html>"), "");
  // Cut between characters.
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "\xC3\xBC";
  EXPECT_EQ(ReadReason("{\"error\":\"" + umlauts + "\"}"), umlauts.substr(0, 300));
  EXPECT_EQ(ReadReason("{\"error\":\"x" + umlauts + "\"}"), 'x' + umlauts.substr(0, 298));
}

TEST(Base64, ReadsWhatIsBase64AndNothingElse) {
  EXPECT_EQ(formats::DecodeBase64(""), "");
  EXPECT_EQ(formats::DecodeBase64("YQ=="), "a");
  EXPECT_EQ(formats::DecodeBase64("YWI="), "ab");
  EXPECT_EQ(formats::DecodeBase64("YWJj"), "abc");
  for (const char* text : {"YQ", "YQ=a", "Y===", "=", "YQ==YQ==", "Y Q=", "YQ-_"})
    EXPECT_EQ(formats::DecodeBase64(text), std::nullopt) << text;
}

}  // namespace
}  // namespace akin::backends::remote
