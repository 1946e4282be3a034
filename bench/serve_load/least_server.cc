#include "serve_load/least_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace akin::bench {
namespace {

// Whether all of it came.
bool Receive(int fd, std::string& buffer) {
  size_t have = 0;
  while (have < buffer.size()) {
    const ssize_t count = recv(fd, buffer.data() + have, buffer.size() - have, 0);
    if (count <= 0) return false;
    have += static_cast<size_t>(count);
  }
  return true;
}

bool Send(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

LeastServer::LeastServer(std::span<const PreparedRequest> requests,
                         std::function<void(size_t)> compute)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (listener_ < 0 || bind(listener_, name, size) != 0 || listen(listener_, 1) != 0 ||
      getsockname(listener_, name, &size) != 0)
    throw std::system_error(errno, std::generic_category(), "a socket to listen on");
  port_ = ntohs(address.sin_port);
  thread_ =
      std::thread([this, requests, compute = std::move(compute)] { Serve(requests, compute); });
}

LeastServer::~LeastServer() {
  shutdown(listener_, SHUT_RDWR);  // Nobody may have come.
  thread_.join();
  close(listener_);
}

void LeastServer::Serve(std::span<const PreparedRequest> requests,
                        const std::function<void(size_t)>& compute) const {
  std::vector<std::string> answers;
  for (const PreparedRequest& request : requests)
    answers.push_back("HTTP/1.1 200 OK\r\ncontent-length: " +
                      std::to_string(request.expected.size()) + "\r\n\r\n" + request.expected);
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string buffer;
  for (size_t i = 0;; i = (i + 1) % requests.size()) {
    buffer.resize(requests[i].bytes.size());
    if (!Receive(fd, buffer)) break;
    compute(i);
    if (!Send(fd, answers[i])) break;
  }
  close(fd);
}

}  // namespace akin::bench
