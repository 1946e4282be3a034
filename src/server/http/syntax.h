// What the parts of a request may consist of (RFC 9110), in whatever version of HTTP they come.
#pragma once

#include <string_view>

namespace akin::server {

// A method, the name of a header.
bool IsToken(std::string_view text);
// Not empty, neither blanks nor control characters: a target.
bool IsVisible(std::string_view text);
// No control characters but tabs.
bool IsFieldValue(std::string_view text);
// "host", "host:80", "[::1]:80". A user before an @ is refused (RFC 9110, 4.2.4).
bool IsAuthority(std::string_view text);

}  // namespace akin::server
