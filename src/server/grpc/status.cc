#include "server/grpc/status.h"

#include <algorithm>
#include <iterator>

#include "server/text.h"

namespace akin::server {
namespace {

constexpr std::string_view kCodeNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

constexpr size_t kMostMessageBytes = 2048;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string_view NameOf(GrpcCode code) {
  const auto number = static_cast<size_t>(code);
  return kCodeNames[number < std::size(kCodeNames) ? number : 2];
}

bool IsFault(GrpcCode code) {
  constexpr GrpcCode kFaults[] = {GrpcCode::kUnknown,  GrpcCode::kDeadlineExceeded,
                                  GrpcCode::kInternal, GrpcCode::kUnimplemented,
                                  GrpcCode::kDataLoss, GrpcCode::kUnavailable};
  return std::ranges::find(kFaults, code) != std::end(kFaults);
}

GrpcStatus ToGrpcStatus(const Error& error) {
  const Failure failure = FailureOf(error);
  return {static_cast<GrpcCode>(error.code()), error.message(), BoundOf(failure),
          MayAskAgain(failure.problem)};
}

std::string GrpcMessageHeader(std::string_view message) {
  if (message.size() > kMostMessageBytes) {
    size_t end = kMostMessageBytes;
    while (end > 0 && IsContinuation(message[end])) --end;
    message = message.substr(0, end);
  }
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : message) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

std::vector<HttpHeader> StatusHeaders(const GrpcStatus& status, int retry_after_seconds) {
  std::vector<HttpHeader> headers = {{"grpc-status", StrCat(static_cast<int>(status.code))}};
  if (!status.message.empty())
    headers.push_back({"grpc-message", GrpcMessageHeader(status.message)});
  if (status.is_passing)
    headers.push_back({"grpc-retry-pushback-ms", StrCat(1000 * std::max(1, retry_after_seconds))});
  return headers;
}

}  // namespace akin::server
