#include "hub/client/settings.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "base/strings.h"
#include "hub/hub_cache.h"

namespace akin::hub {
namespace {

constexpr char kDefaultEndpoint[] = "https://huggingface.co";
constexpr size_t kMaxTokenBytes = 4096;

Result<std::string> Endpoint() {
  std::string endpoint = Environment("HF_ENDPOINT");
  if (endpoint.empty()) return std::string(kDefaultEndpoint);
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const auto unprintable = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F;
  };
  // Paths are put behind it, so that a query or a fragment would swallow them.
  if ((!endpoint.starts_with("https://") && !endpoint.starts_with("http://")) ||
      std::ranges::any_of(endpoint, unprintable) || endpoint.find_first_of("?#") != endpoint.npos ||
      !http::ParseUrl(endpoint)) {
    return InvalidInput("HF_ENDPOINT is '", http::ShownUrl(endpoint),
                        "', expected an address that begins with https:// or http:// and has no "
                        "'?' or '#'");
  }
  return endpoint;
}

std::string StripSpace(std::string text) {
  constexpr char kSpace[] = " \t\r\n";
  text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
  text.erase(text.find_last_not_of(kSpace) + 1);
  return text;
}

std::string StoredToken() {
  std::string path = Environment("HF_TOKEN_PATH");
  if (path.empty()) path = HubHomeFolder() + "/token";
  std::ifstream file(path, std::ios::binary);
  std::string token(kMaxTokenBytes, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<size_t>(file.gcount()));
  return token;
}

// A token is put into a header, so nothing in it may end that header.
Result<std::string> Token() {
  std::string token = Environment("HF_TOKEN");
  if (token.empty()) token = Environment("HUGGING_FACE_HUB_TOKEN");
  if (token.empty() && !IsTrue(Environment("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) token = StoredToken();
  token = StripSpace(std::move(token));
  const auto unprintable = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F;
  };
  if (token.size() >= kMaxTokenBytes || std::ranges::any_of(token, unprintable))
    return InvalidInput("the hub's token (HF_TOKEN) is not one: it is long or holds blanks");
  return token;
}

// A whole number in [1, most], if the variable is set.
template <typename Value>
Status ReadNumber(const char* name, int most, Value& value) {
  const std::string text = Environment(name);
  if (text.empty()) return {};
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > most)
    return InvalidInput(name, " is '", text, "', expected a whole number from 1 to ", most);
  value = Value(number);
  return {};
}

}  // namespace

Result<HubSettings> ReadHubSettings() {
  HubSettings settings;
  settings.offline =
      IsTrue(Environment("HF_HUB_OFFLINE")) || IsTrue(Environment("TRANSFORMERS_OFFLINE"));
  if (!settings.offline) {
    AKIN_TRY(http::LoadCurl());
    AKIN_TRY_ASSIGN(settings.endpoint, Endpoint());
  }
  AKIN_TRY_ASSIGN(settings.token, Token());
  settings.trust = http::TrustFromEnvironment();
  AKIN_TRY(ReadNumber("HF_HUB_DOWNLOAD_TIMEOUT", 3600, settings.stall_timeout));
  AKIN_TRY(ReadNumber("AKIN_HUB_RETRY_MS", 60'000, settings.first_retry_wait));
  AKIN_TRY(ReadNumber("AKIN_HUB_CONNECTIONS", 64, settings.connections));
  return settings;
}

}  // namespace akin::hub
