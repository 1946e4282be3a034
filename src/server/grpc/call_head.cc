#include "server/grpc/call_head.h"

#include <algorithm>
#include <cstdint>

#include "server/text.h"

namespace akin::server {
namespace {

// Of a value that is wrong, the error shows no more.
constexpr size_t kShownBytes = 64;

std::string Found(std::string_view name, std::string_view value, std::string_view expected) {
  return StrCat("header `", name, "`: found \"", value.substr(0, kShownBytes),
                value.size() > kShownBytes ? "..." : "", "\", expected ", expected);
}

// Nanoseconds of a unit; 0: it is none.
int64_t UnitOf(char c) {
  switch (c) {
    case 'H': return int64_t{3'600'000'000'000};
    case 'M': return int64_t{60'000'000'000};
    case 'S': return 1'000'000'000;
    case 'm': return 1'000'000;
    case 'u': return 1'000;
    case 'n': return 1;
    default: return 0;
  }
}

}  // namespace

bool IsGrpc(std::string_view content_type) {
  const std::string_view media = Trimmed(content_type.substr(0, content_type.find(';')));
  return EqualIgnoringCase(media, "application/grpc") ||
         EqualIgnoringCase(media, "application/grpc+proto");
}

Result<std::chrono::nanoseconds> ReadGrpcTimeout(std::string_view value,
                                                 std::chrono::nanoseconds most) {
  constexpr size_t kMostDigits = 8;
  const auto wrong = [value] {
    return InvalidInput(Found("grpc-timeout", value, "1 to 8 digits and one of H, M, S, m, u, n"));
  };
  if (value.size() < 2 || value.size() > kMostDigits + 1) return wrong();
  const int64_t unit = UnitOf(value.back());
  value.remove_suffix(1);
  int64_t number = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return wrong();
    number = number * 10 + (c - '0');
  }
  if (unit == 0) return wrong();
  // 99,999,999 hours are more nanoseconds than there are numbers.
  if (number > most.count() / unit) return most;
  return std::chrono::nanoseconds(number * unit);
}

std::optional<GrpcStatus> ReadCallHead(const HttpRequest& head, std::chrono::nanoseconds most,
                                       CallHead& call) {
  const auto invalid = [](std::string message) {
    return GrpcStatus{GrpcCode::kInvalidArgument, std::move(message)};
  };
  if (head.header("te") != "trailers")
    return invalid(Found("te", head.header("te"),
                         "\"trailers\" (what leaves it out on the way would leave out the call's "
                         "status, too)"));
  if (const std::string_view timeout = head.header("grpc-timeout"); !timeout.empty()) {
    const auto read = ReadGrpcTimeout(timeout, most);
    if (!read) return invalid(read.error().message());
    call.timeout = *read;
  }
  const std::string_view encoding = head.header("grpc-encoding");
  const auto known = EncodingNamed(encoding);
  if (!known)
    return ClientsFault(GrpcCode::kUnimplemented, Found("grpc-encoding", encoding, kEncodings));
  call.encoding = *known;
  return std::nullopt;
}

std::string_view BearerKey(const HttpRequest& head) {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view given = head.header("authorization");
  if (given.size() <= kBearer.size() ||
      !EqualIgnoringCase(given.substr(0, kBearer.size()), kBearer))
    return {};
  return Trimmed(given.substr(kBearer.size()));
}

}  // namespace akin::server
