#include "server/http/client_address.h"

#include <algorithm>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

namespace akin::server {
namespace {

namespace ip = boost::asio::ip;

ip::address_v4 Last32Bits(const ip::address_v6::bytes_type& bytes) {
  return ip::address_v4({bytes[12], bytes[13], bytes[14], bytes[15]});
}

bool IsTranslated(const ip::address_v6::bytes_type& bytes) {
  static constexpr ip::address_v6::bytes_type kPrefix{0x00, 0x64, 0xff, 0x9b};
  return std::equal(bytes.begin(), bytes.begin() + 12, kPrefix.begin());
}

}  // namespace

std::string ClientOf(const std::string& peer) {
  if (peer.find(':') == peer.npos) return peer;
  boost::system::error_code error;
  const ip::address_v6 address = ip::make_address_v6(peer, error);
  if (error) return peer;
  ip::address_v6::bytes_type bytes = address.to_bytes();
  if (address.is_v4_mapped() || IsTranslated(bytes)) return Last32Bits(bytes).to_string();
  if (address.is_link_local()) return address.to_string();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return ip::address_v6(bytes).to_string() + "/64";
}

}  // namespace akin::server
