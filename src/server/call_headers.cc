#include "server/call_headers.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "server/text.h"

namespace akin::server {
namespace {

constexpr std::string_view kPriority = "x-priority";
constexpr std::string_view kTimeout = "x-request-timeout-ms";
// Of a value that is wrong, the error shows no more.
constexpr size_t kShownBytes = 64;

Error Unexpected(std::string_view name, std::string_view value, std::string_view expected) {
  const std::string_view rest = value.size() > kShownBytes ? "..." : "";
  return InvalidInput("header `", name, "`: found \"", value.substr(0, kShownBytes), rest,
                      "\", expected ", expected);
}

// Unset: there is none.
Result<std::optional<std::string_view>> OneValue(const HttpRequest& request, std::string_view name,
                                                 std::string_view expected) {
  std::optional<std::string_view> value;
  for (const HttpHeader& header : request.headers) {
    if (header.name != name) continue;
    if (value) {
      return InvalidInput("header `", name, "`: found more than once, expected once, ", expected);
    }
    value = header.value;
  }
  return value;
}

Result<std::optional<Priority>> ReadPriority(const HttpRequest& request) {
  constexpr std::string_view kExpected = "`query` or `bulk`";
  const auto value = OneValue(request, kPriority, kExpected);
  if (!value) return value.error();
  if (!*value) return std::optional<Priority>();
  if (EqualIgnoringCase(**value, "query")) return std::optional(Priority::kQuery);
  if (EqualIgnoringCase(**value, "bulk")) return std::optional(Priority::kBulk);
  return Unexpected(kPriority, **value, kExpected);
}

Result<std::optional<std::chrono::milliseconds>> ReadTimeout(const HttpRequest& request) {
  using std::chrono::milliseconds;
  constexpr std::string_view kExpected = "a whole number of milliseconds";
  const auto value = OneValue(request, kTimeout, kExpected);
  if (!value) return value.error();
  if (!*value) return std::optional<milliseconds>();
  const std::string_view text = **value;
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc::invalid_argument || parsed.ptr != text.data() + text.size()) {
    return Unexpected(kTimeout, text, kExpected);
  }
  if (parsed.ec == std::errc::result_out_of_range) {
    number = text.starts_with('-') ? 0 : std::numeric_limits<int64_t>::max();
  }
  // Below 0 is what a client has left whose own deadline has passed.
  return std::optional(milliseconds(std::max<int64_t>(number, 0)));
}

}  // namespace

Result<CallHeaders> ReadCallHeaders(const HttpRequest& request) {
  const auto priority = ReadPriority(request);
  if (!priority) return priority.error();
  const auto timeout = ReadTimeout(request);
  if (!timeout) return timeout.error();
  return CallHeaders{.priority = *priority, .timeout = *timeout};
}

}  // namespace akin::server
