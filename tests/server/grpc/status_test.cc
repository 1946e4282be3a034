#include "server/grpc/status.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

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

TEST(GrpcStatus, NumbersAndNamesAreThoseOfTheProtocol) {
  const std::pair<int, const char*> kCodes[] = {{0, "OK"},
                                                {1, "CANCELLED"},
                                                {2, "UNKNOWN"},
                                                {3, "INVALID_ARGUMENT"},
                                                {4, "DEADLINE_EXCEEDED"},
                                                {5, "NOT_FOUND"},
                                                {6, "ALREADY_EXISTS"},
                                                {7, "PERMISSION_DENIED"},
                                                {8, "RESOURCE_EXHAUSTED"},
                                                {9, "FAILED_PRECONDITION"},
                                                {10, "ABORTED"},
                                                {11, "OUT_OF_RANGE"},
                                                {12, "UNIMPLEMENTED"},
                                                {13, "INTERNAL"},
                                                {14, "UNAVAILABLE"},
                                                {15, "DATA_LOSS"},
                                                {16, "UNAUTHENTICATED"}};
  for (const auto& [number, name] : kCodes) EXPECT_EQ(NameOf(static_cast<GrpcCode>(number)), name);
  EXPECT_EQ(NameOf(static_cast<GrpcCode>(17)), "UNKNOWN");
  EXPECT_EQ(NameOf(static_cast<GrpcCode>(-1)), "UNKNOWN");
}

TEST(GrpcStatus, FaultsAreTheServers) {
  const std::set<int> faults = {2, 4, 12, 13, 14, 15};
  for (int number = 0; number <= 16; ++number)
    EXPECT_EQ(IsFault(static_cast<GrpcCode>(number)), faults.contains(number)) << number;
}

TEST(GrpcStatus, EveryErrorOfTheLibraryHasItsCode) {
  const std::pair<ErrorCode, GrpcCode> kCodes[] = {
      {ErrorCode::kInvalidInput, GrpcCode::kInvalidArgument},
      {ErrorCode::kOverloaded, GrpcCode::kResourceExhausted},
      {ErrorCode::kInvalidModel, GrpcCode::kFailedPrecondition},
      {ErrorCode::kCancelled, GrpcCode::kCancelled},
      {ErrorCode::kDeadlineExceeded, GrpcCode::kDeadlineExceeded},
      {ErrorCode::kServiceUnavailable, GrpcCode::kUnavailable},
      {ErrorCode::kModelNotFound, GrpcCode::kNotFound},
      {ErrorCode::kUnsupportedModel, GrpcCode::kUnimplemented},
      {ErrorCode::kInternal, GrpcCode::kInternal}};
  for (const auto& [error, code] : kCodes) {
    const GrpcStatus status = ToGrpcStatus(Error(error, "why"));
    EXPECT_EQ(status.code, code) << NameOf(code);
    EXPECT_EQ(status.message, "why");
  }
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

TEST(GrpcStatus, WhatIsPassingSaysWhenToAskAgain) {
  const auto full = ToGrpcStatus(Error(ErrorCode::kOverloaded, "full").Of("max_bytes"));
  EXPECT_EQ(full.full.of, "bytes");
  EXPECT_EQ(full.full.option, "--queue-memory");
  const auto headers = StatusHeaders(full, 3);
  ASSERT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers[2].name, "grpc-retry-pushback-ms");
  EXPECT_EQ(headers[2].value, "3000");
  EXPECT_EQ(
      StatusHeaders(ToGrpcStatus(Error(ErrorCode::kServiceUnavailable, "loading")), 0)[2].value,
      "1000");
  EXPECT_EQ(StatusHeaders(ToGrpcStatus(Error(ErrorCode::kInvalidInput, "no")), 3).size(), 2U);
}

}  // namespace
}  // namespace akin::server
