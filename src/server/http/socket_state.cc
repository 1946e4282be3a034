#include "server/http/socket_state.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace akin::server {
namespace {

short Poll(int socket, short events) {
  pollfd look{.fd = socket, .events = events, .revents = 0};
  return poll(&look, 1, 0) > 0 ? look.revents : short{0};
}

}  // namespace

bool HasPeerEnded(int socket) {
#ifdef POLLRDHUP
  return (Poll(socket, POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
#else
  // Only where everything has been read.
  char byte;
  const ssize_t got = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
#endif
}

bool HasInput(int socket) { return (Poll(socket, POLLIN) & (POLLIN | POLLHUP | POLLERR)) != 0; }

}  // namespace akin::server
