#include "http/headers.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "http/curl_library.h"

namespace akin::http {
namespace {

constexpr int64_t kLongestSeconds = 1'000'000;

}  // namespace

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return lower;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

void TakeHeaderLine(std::string_view line, Headers& headers) {
  if (line.starts_with("HTTP/")) return headers.clear();  // Of "100 Continue" before.
  const size_t colon = line.find(':');
  if (colon == line.npos) return;
  headers[LowerCase(Trimmed(line.substr(0, colon)))] = Trimmed(line.substr(colon + 1));
}

std::string Find(const Headers& headers, const std::string& name) {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

std::optional<std::chrono::seconds> RetryAfter(const Headers& headers) {
  const std::string text = Find(headers, "retry-after");
  if (text.empty()) return std::nullopt;
  int64_t seconds = kLongestSeconds;  // Of a number that is too large to be read.
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (parsed.ec == std::errc::invalid_argument || parsed.ptr != text.data() + text.size()) {
    const time_t date = Curl().getdate(text.c_str(), nullptr);
    if (date < 0) return std::nullopt;
    seconds = date - time(nullptr);
  }
  return std::chrono::seconds(std::clamp<int64_t>(seconds, 0, kLongestSeconds));
}

}  // namespace akin::http
