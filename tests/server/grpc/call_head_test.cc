#include "server/grpc/call_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

namespace akin::server {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;

TEST(CallHead, ContentTypesOfGrpc) {
  for (const char* type : {"application/grpc", "application/grpc+proto", "Application/GRPC;v=1"})
    EXPECT_TRUE(IsGrpc(type)) << type;
  for (const char* type : {"", "application/json", "application/grpc-web", "application/grpc+json",
                           "application/grpcx", "text/application/grpc"})
    EXPECT_FALSE(IsGrpc(type)) << type;
}

TEST(CallHead, TimeoutsOfAllUnits) {
  const std::pair<const char*, int64_t> kCases[] = {{"1n", 1},
                                                    {"5u", 5'000},
                                                    {"100m", 100'000'000},
                                                    {"00000007S", 7'000'000'000},
                                                    {"2M", 120'000'000'000},
                                                    {"1H", 3'600'000'000'000},
                                                    {"0S", 0}};
  for (const auto& [text, expected] : kCases) {
    const auto read = ReadGrpcTimeout(text, hours(2));
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->count(), expected) << text;
  }
}

TEST(CallHead, ATimeoutBeyondTheMostIsTheMost) {
  for (const char* text : {"3H", "121M", "7201S", "99999999H", "99999999M"}) {
    const auto read = ReadGrpcTimeout(text, hours(2));
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, hours(2)) << text;
  }
  EXPECT_EQ(*ReadGrpcTimeout("120M", hours(2)), hours(2));
}

TEST(CallHead, EightDigitsOfEveryUnit) {
  const std::pair<char, int64_t> kUnits[] = {{'n', 1},
                                             {'u', 1'000},
                                             {'m', 1'000'000},
                                             {'S', 1'000'000'000},
                                             {'M', 60'000'000'000},
                                             {'H', 3'600'000'000'000}};
  constexpr hours kMost{24 * 365};
  for (const auto& [unit, length] : kUnits) {
    const auto read = ReadGrpcTimeout(std::string("99999999") + unit, kMost);
    ASSERT_TRUE(read) << unit;
    const auto nanoseconds_of_it = static_cast<__int128>(99'999'999) * length;
    const __int128 expected = std::min<__int128>(nanoseconds_of_it, nanoseconds(kMost).count());
    EXPECT_EQ(static_cast<__int128>(read->count()), expected) << unit;
    EXPECT_FALSE(ReadGrpcTimeout(std::string("099999999") + unit, kMost)) << unit;
    EXPECT_EQ(ReadGrpcTimeout(std::string("0") + unit, kMost)->count(), 0) << unit;
  }
}

TEST(CallHead, TimeoutsThatAreWrong) {
  for (const char* text : {"", "1", "S", "1s", "1h", "-1S", "+1S", " 1S", "1 S", "1.5S",
                           "123456789S", "1SS", "0x1S"}) {
    const auto read = ReadGrpcTimeout(text, hours(2));
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code(), ErrorCode::kInvalidInput);
    EXPECT_NE(read.error().message().find("grpc-timeout"), std::string::npos);
  }
}

HttpRequest Head(std::vector<HttpHeader> headers) {
  return {.method = "POST", .path = "/a/b", .headers = std::move(headers)};
}

TEST(CallHead, IsReadFromItsHeaders) {
  CallHead call;
  EXPECT_FALSE(ReadCallHead(Head({{"te", "trailers"}}), hours(1), call));
  EXPECT_FALSE(call.timeout);
  EXPECT_EQ(call.encoding, Encoding::kIdentity);
  EXPECT_FALSE(
      ReadCallHead(Head({{"te", "trailers"}, {"grpc-timeout", "1S"}, {"grpc-encoding", "gzip"}}),
                   hours(1), call));
  EXPECT_EQ(call.timeout, nanoseconds(1'000'000'000));
  EXPECT_EQ(call.encoding, Encoding::kGzip);
}

TEST(CallHead, SaysWhatIsWrong) {
  CallHead call;
  const auto no_te = ReadCallHead(Head({}), hours(1), call);
  ASSERT_TRUE(no_te);
  EXPECT_NE(no_te->message.find("`te`"), std::string::npos);
  const auto timeout =
      ReadCallHead(Head({{"te", "trailers"}, {"grpc-timeout", "x"}}), hours(1), call);
  ASSERT_TRUE(timeout);
  EXPECT_EQ(timeout->code, GrpcCode::kInvalidArgument);
  const auto encoding =
      ReadCallHead(Head({{"te", "trailers"}, {"grpc-encoding", "zstd"}}), hours(1), call);
  ASSERT_TRUE(encoding);
  EXPECT_EQ(encoding->code, GrpcCode::kUnimplemented);
  EXPECT_NE(encoding->message.find("zstd"), std::string::npos);
}

TEST(CallHead, KeysAreBearers) {
  EXPECT_EQ(BearerKey(Head({{"authorization", "Bearer  abc "}})), "abc");
  EXPECT_EQ(BearerKey(Head({{"authorization", "bearer abc"}})), "abc");
  EXPECT_EQ(BearerKey(Head({{"authorization", "Basic abc"}})), "");
  EXPECT_EQ(BearerKey(Head({{"authorization", "Bearer "}})), "");
  EXPECT_EQ(BearerKey(Head({})), "");
}

}  // namespace
}  // namespace akin::server
