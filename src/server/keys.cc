#include "server/keys.h"

#include <optional>

#include "server/text.h"

namespace akin::server {
namespace {

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
