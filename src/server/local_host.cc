#include "server/local_host.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <string>

#include "server/text.h"

namespace akin::server {
namespace {

bool IsAddress(std::string_view name) {
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  boost::system::error_code error;
  boost::asio::ip::make_address(std::string(name), error);
  return !error;
}

}  // namespace

std::string_view NameOf(std::string_view host) {
  const size_t end = host.starts_with('[') ? host.find(']') : std::string_view::npos;
  const size_t colon = host.find(':', end == std::string_view::npos ? 0 : end);
  return host.substr(0, colon);
}

bool IsLocalName(std::string_view host) {
  const std::string name = AsciiLower(NameOf(host));
  return name.empty() || name == "localhost" || name.ends_with(".localhost") || IsAddress(name);
}

bool IsPrivateName(std::string_view host) {
  if (IsLocalName(host)) return true;
  std::string name = AsciiLower(NameOf(host));
  if (name.ends_with('.')) name.pop_back();
  const std::string last = name.substr(name.rfind('.') + 1);  // All of it without a dot.
  if (last.empty() && !name.empty()) return false;            // "a.example..", which is no name.
  if (last.size() == name.size() || last.find_first_not_of("0123456789") == last.npos) return true;
  constexpr std::string_view kPrivate[] = {".local", ".internal", ".home.arpa", ".localhost"};
  return std::ranges::any_of(kPrivate, [&](std::string_view end) { return name.ends_with(end); });
}

bool IsLoopback(std::string_view address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(std::string(address), error);
  return error ? AsciiLower(address) == "localhost" : parsed.is_loopback();
}

}  // namespace akin::server
