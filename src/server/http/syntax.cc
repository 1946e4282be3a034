#include "server/http/syntax.h"

#include <algorithm>

namespace akin::server {
namespace {

bool IsTokenCharacter(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

}  // namespace

bool IsToken(std::string_view text) {
  for (const char c : text) {
    if (!IsTokenCharacter(c)) return false;
  }
  return !text.empty();
}

bool IsVisible(std::string_view text) {
  for (const unsigned char c : text) {
    if (c <= 0x20 || c >= 0x7F) return false;
  }
  return !text.empty();
}

bool IsFieldValue(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) return false;
  }
  return true;
}

bool IsAuthority(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    const std::string_view host = text.substr(1, close - 1);
    if (host.empty() || host.find_first_not_of("0123456789abcdefABCDEF:.") != host.npos)
      return false;
    port = text.substr(close + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    const std::string_view host = text.substr(0, colon);
    if (host.empty() || host.find_first_of("[]@\\#<>\"^`{|}") != host.npos) return false;
    port = text.substr(colon);
  }
  return port.empty() || (port[0] == ':' && port.find_first_not_of("0123456789", 1) == port.npos);
}

}  // namespace akin::server
