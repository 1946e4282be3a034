#include "server/grpc/status.h"

#include <gtest/gtest.h>

#include "server/text.h"

namespace akin::server {
namespace {

TEST(GrpcStatus, CodesAreThoseOfTheLibrary) {
  EXPECT_EQ(ToGrpcStatus(Error(ErrorCode::kInvalidInput, "x")).code, GrpcCode::kInvalidArgument);
  EXPECT_EQ(ToGrpcStatus(Error(ErrorCode::kOverloaded, "x")).code, GrpcCode::kResourceExhausted);
  EXPECT_EQ(NameOf(ToGrpcStatus(Error(ErrorCode::kInvalidModel, "x")).code), "FAILED_PRECONDITION");
  EXPECT_EQ(NameOf(GrpcCode::kUnauthenticated), "UNAUTHENTICATED");
  EXPECT_EQ(NameOf(static_cast<GrpcCode>(99)), "UNKNOWN");
}

TEST(GrpcStatus, MessagesArePercentEncoded) {
  EXPECT_EQ(GrpcMessageHeader("a text, 100 ~"), "a text, 100 ~");
  EXPECT_EQ(GrpcMessageHeader("100%\n\x7f"), "100%25%0A%7F");
  EXPECT_EQ(GrpcMessageHeader("\xC3\xA4"), "%C3%A4");
  EXPECT_EQ(PercentDecoded(GrpcMessageHeader("\xE2\x82\xAC %41")), "\xE2\x82\xAC %41");
}

TEST(GrpcStatus, LongMessagesAreCutBetweenCharacters) {
  std::string text(2047, 'a');
  text += "\xC3\xA4 and more";
  EXPECT_EQ(GrpcMessageHeader(text), std::string(2047, 'a'));
  EXPECT_EQ(GrpcMessageHeader(std::string(5000, 'b')).size(), 2048U);
  EXPECT_EQ(GrpcMessageHeader(std::string(5000, '\x80')), "");
}

TEST(GrpcStatus, HeadersSayWhatIsNotOk) {
  EXPECT_EQ(StatusHeaders({}).size(), 1U);
  const auto headers = StatusHeaders({GrpcCode::kNotFound, "no"});
  ASSERT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers[0].value, "5");
  EXPECT_EQ(headers[1].name, "grpc-message");
}

}  // namespace
}  // namespace akin::server
