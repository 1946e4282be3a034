// The head of an answer.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace akin::http {

using Headers = std::map<std::string, std::string>;  // Names in lower case.

std::string LowerCase(std::string_view text);
std::string_view Trimmed(std::string_view text);

// Takes a line of the head as libcurl gives it; a status line begins anew.
void TakeHeaderLine(std::string_view line, Headers& headers);
// Empty when it is not there.
std::string Find(const Headers& headers, const std::string& name);
// Retry-After: seconds, or a date.
std::optional<std::chrono::seconds> RetryAfter(const Headers& headers);

inline bool IsRedirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace akin::http
