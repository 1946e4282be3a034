#include "server/keys.h"

#include <algorithm>
#include <optional>

#include "server/http/syntax.h"
#include "server/text.h"

namespace akin::server {
namespace {

// All headers of a request may have 16 KiB, and Base64 takes a third more.
constexpr size_t kMostKeyBytes = size_t{8} << 10;

std::string_view WithoutWhiteSpace(std::string_view text) {
  constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) + 1 - begin);
}

// RFC 4648, section 4. Nothing for what is no Base64.
std::optional<std::string> DecodeBase64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  unsigned bits = 0;
  int num_bits = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(digit);
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    bytes += static_cast<char>(bits >> num_bits & 0xFF);
  }
  return bytes;
}

// What stands behind "scheme " in the header, if that is its scheme.
std::optional<std::string_view> Credentials(std::string_view authorization,
                                            std::string_view scheme) {
  const size_t size = scheme.size();
  if (authorization.size() <= size || authorization[size] != ' ' ||
      !EqualIgnoringCase(authorization.substr(0, size), scheme)) {
    return std::nullopt;
  }
  return Trimmed(authorization.substr(size));
}

}  // namespace

Result<std::string> ParseKey(std::string_view text) {
  const std::string_view key = WithoutWhiteSpace(text);
  if (key.empty()) return InvalidInput("the key is empty");
  if (!IsFieldValue(key))
    return InvalidInput("the key has a control character, which no header can hold");
  if (key.size() > kMostKeyBytes)
    return InvalidInput("the key has ", key.size(), " bytes, expected at most ", kMostKeyBytes);
  return std::string(key);
}

Result<std::vector<std::string>> ParseKeyFile(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> keys;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = WithoutWhiteSpace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    auto key = ParseKey(line);
    if (!key) return InvalidInput("line ", number, ": ", key.error().message());
    keys.push_back(std::move(*key));
  }
  return keys;
}

std::string GivenKey(const HttpRequest& request) {
  const std::string_view authorization = request.header("authorization");
  if (const auto key = Credentials(authorization, "bearer")) return std::string(*key);
  if (const auto pair = Credentials(authorization, "basic")) {
    const auto decoded = DecodeBase64(*pair);
    const size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon != std::string::npos) return decoded->substr(colon + 1);
  }
  return std::string(request.header("api-key"));
}

}  // namespace akin::server
