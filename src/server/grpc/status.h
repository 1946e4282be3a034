// What a call of gRPC ends with.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/result.h"

#include "server/api/failure.h"
#include "server/http/message.h"

namespace akin::server {

// Of https://grpc.io/docs/guides/status-codes; ErrorCode's numbers are among them.
enum class GrpcCode : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "OK", "INVALID_ARGUMENT" and so on.
std::string_view NameOf(GrpcCode code);
// Whether OpenTelemetry counts it as a server's error; in HTTP that is 500 and more.
bool IsFault(GrpcCode code);

struct GrpcStatus {
  GrpcCode code = GrpcCode::kOk;
  std::string message;
  FullBound full = {};      // Of an overload.
  bool is_passing = false;  // What is overloaded, or not yet there: it may be asked again.
  bool is_clients = false;  // It is no fault of the server's, whatever the code.

  bool ok() const { return code == GrpcCode::kOk; }
};

// What its client did wrong, or left out.
inline GrpcStatus ClientsFault(GrpcCode code, std::string message) {
  return {code, std::move(message), {}, false, true};
}

// An error of the library as gRPC says it.
GrpcStatus ToGrpcStatus(const Error& error);

// A status' message as the header `grpc-message` has it: bytes that are no printable ASCII, and the
// percent sign, as "%E4" (the protocol's Percent-Encoded). Cut to 2 KiB before, at the beginning of
// a character: clients take heads of 8 KiB.
std::string GrpcMessageHeader(std::string_view message);

// `grpc-status`, `grpc-message` where there is one, and of what is passing when to ask again, as
// HTTP's Retry-After: `grpc-retry-pushback-ms` (gRFC A6).
std::vector<HttpHeader> StatusHeaders(const GrpcStatus& status, int retry_after_seconds = 1);

}  // namespace akin::server
