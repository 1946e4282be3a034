// The parts of the backend remote that need no network; remote_test.py has the rest.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backends/remote/circuit_breaker.h"
#include "backends/remote/dialect.h"
#include "backends/remote/remote_client.h"
#include "formats/base64.h"
#include "http/curl.h"
#include "http/headers.h"
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

TEST(Dialect, ReasonHoldsNoSecretNotEvenWhereItIsCut) {
  const std::vector<std::string> secrets{"sk-sesame", "s3cret"};
  EXPECT_EQ(ReadReason(R"({"error":"wrong key sk-sesame, sk-sesame, s3cret!"})", secrets),
            "wrong key ***, ***, ***!");
  const std::string before(296, 'x');
  EXPECT_EQ(ReadReason("{\"error\":\"" + before + "sk-sesame\"}", secrets), before + "***");
  EXPECT_EQ(WithoutSecrets("**", std::vector<std::string>{"*"}), "******");  // And it ends.
}

TEST(Dialect, ReasonIsOneLine) {
  EXPECT_EQ(ReadReason(R"({"error":"a\nb\u001b[1mc\u007f"})"), "a b [1mc ");
}

RemoteOptions At(const std::string& url) {
  RemoteOptions options;
  options.url = url;
  return options;
}

TEST(RemoteClient, AddressesThatNoRouteFitsBehindAreRefused) {
  for (const char* url : {"http://h/v1?key=z", "http://h/v1?", "http://h#part", "http://h/#"})
    ExpectError(RemoteClient::Make(At(url), {}), ErrorCode::kInvalidInput, "backend remote",
                "'http://h/", "query ('?') or a fragment ('#')");
  const auto refused = RemoteClient::Make(At("http://h/v1?key=sesame"), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message().find("sesame"), std::string::npos);
}

TEST(ShownUrl, HasNoPasswordWhetherItIsAnAddressOrNot) {
  for (const char* url :
       {"http://u:SECRET@h:1/x", "ftp://u:SECRET@h/x", "http://u:SECRET@h:99999", "u:SECRET@h",
        "http://u:SECRET@h:1/ x", "http://u:SEC?RET@h:99999", "http://u:SEC/RET@h:99999",
        "//u:SECRET@h:99999/", "http://h:99999/?token=SECRET", "u:SEC://RET@h"}) {
    const std::string shown = http::ShownUrl(url);
    EXPECT_EQ(shown.find("SEC"), std::string::npos) << shown;
    EXPECT_EQ(shown.find("RET"), std::string::npos) << shown;
    EXPECT_NE(shown.find('h'), std::string::npos) << shown;
  }
  EXPECT_EQ(http::ShownUrl("http://u:SECRET@h:99999/a"), "http://h:99999/a");
  EXPECT_EQ(http::ShownUrl("http://h:99999/a"), "http://h:99999/a");
}

TEST(ShownReason, HasNoPassword) {
  EXPECT_EQ(http::ShownReason("Unsupported proxy scheme for 'garbage://u:SECRET@x'"),
            "Unsupported proxy scheme for 'garbage://x'");
  EXPECT_EQ(http::ShownReason("Unsupported proxy syntax in 'u:SECRET@x'"),
            "Unsupported proxy syntax in 'x'");
  EXPECT_EQ(http::ShownReason("Could not resolve host: x"), "Could not resolve host: x");
}

TEST(RetryAfter, IsSecondsOrADateAndNeverIgnoredForItsLength) {
  const auto wait = [](const std::string& text) {
    return http::RetryAfter({{"retry-after", text}});
  };
  using std::chrono::seconds;
  EXPECT_EQ(wait("7"), seconds(7));
  EXPECT_EQ(wait("-7"), seconds(0));
  EXPECT_EQ(wait("soon"), std::nullopt);
  EXPECT_EQ(wait("7 or so"), std::nullopt);
  const auto longest = wait("Fri, 31 Dec 2099 23:59:59 GMT");
  EXPECT_EQ(wait("9223372036854775807"), longest);
  EXPECT_EQ(wait("99999999999999999999"), longest);
  EXPECT_EQ(wait(std::string(300, '9')), longest);
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
