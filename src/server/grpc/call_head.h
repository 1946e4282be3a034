// What the head of a request says of its call (https://github.com/grpc/grpc, PROTOCOL-HTTP2.md).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "server/call_headers.h"
#include "server/grpc/inflate.h"
#include "server/grpc/status.h"
#include "server/http/message.h"

namespace akin::server {

// Whether a request with this `content-type` is gRPC's: application/grpc, also with +proto, or with
// parameters. What has another encoding (+json) or another framing (-web) is not.
bool IsGrpc(std::string_view content_type);

// "5S", "100m": at most eight digits and a unit of H, M, S, m, u, n. What is longer than `most` is
// `most`. Error: InvalidInput.
Result<std::chrono::nanoseconds> ReadGrpcTimeout(std::string_view value,
                                                 std::chrono::nanoseconds most);

struct CallHead {
  std::optional<std::chrono::nanoseconds> timeout;  // At most `most`.
  Encoding encoding = Encoding::kIdentity;
  CallHeaders asked;  // Of a call to a model, as of a request of HTTP.
};

// `te`, `grpc-timeout` and `grpc-encoding`. An error's status says which of them is wrong.
std::optional<GrpcStatus> ReadCallHead(const HttpRequest& head, std::chrono::nanoseconds most,
                                       CallHead& call);

// "Bearer KEY" in `authorization`; empty without one.
std::string_view BearerKey(const HttpRequest& head);

}  // namespace akin::server
