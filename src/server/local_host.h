// Which names in `Host` mean this machine.
//
// A page of another site may have its name resolve to 127.0.0.1 once it is loaded (DNS rebinding):
// its requests are then of the same origin, to which CORS and the rule of content types do not
// apply, and only the name in `Host` tells. No resolver gives a stranger localhost or an address
// that is written out.
#pragma once

#include <string_view>

namespace akin::server {

// Of a `Host` header ("localhost:8080", "[::1]", "10.0.0.7"): localhost and names under it, and
// addresses; nothing at all, too.
bool IsLocalName(std::string_view host);

// Those, and names that resolvers of the internet give nobody, so that no stranger's page has one:
// of a single label (of a container, a line of /etc/hosts), under .local (RFC 6762), .internal and
// .home.arpa (RFC 8375), and what ends in a number, which is an address ("127.1"). Who is in the
// same network may have some of them.
bool IsPrivateName(std::string_view host);

// The name in a `Host` header or an origin's, without the port; an address of IPv6 in its brackets.
std::string_view NameOf(std::string_view host);

// Of an address to listen on: only this machine reaches it.
bool IsLoopback(std::string_view address);

}  // namespace akin::server
