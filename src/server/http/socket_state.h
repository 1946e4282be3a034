// What the system knows of a socket's other end without a byte being read.
#pragma once

namespace akin::server {

// The other end sends no more, or has gone: also while bytes of it wait that nobody has read, and
// whatever they mean (TLS).
bool HasPeerEnded(int socket);

// Bytes wait to be read, or their end.
bool HasInput(int socket);

}  // namespace akin::server
