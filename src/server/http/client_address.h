// Who counts as one client where clients are told apart by their addresses: in what they share
// (memory, connections, the machine's time), not in the log, which has the whole address.
//
// A client of IPv6 has at least a /64 of addresses (RFC 6177), each of which would else be another
// client with a share of its own. Link-local addresses are all of one /64, whoever has them: each,
// with its link, is a client, as those of a network of IPv4 are. IPv4 inside IPv6 is IPv4:
// ::ffff:0:0/96, as a socket of both has it, and 64:ff9b::/96 (RFC 6052), as a translator in front
// of the server does.
//
//   192.0.2.7                   -> 192.0.2.7
//   2001:db8:1:2:3:4:5:6        -> 2001:db8:1:2::/64
//   fe80::1%eth0                -> fe80::1%eth0
//   ::ffff:192.0.2.7            -> 192.0.2.7
//   unix                        -> unix
#pragma once

#include <string>

namespace akin::server {

// `peer`: what Listener's hook `welcome` is given.
std::string ClientOf(const std::string& peer);

}  // namespace akin::server
