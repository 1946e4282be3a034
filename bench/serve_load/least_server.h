// The least that a server on a socket can do: what an answer by the loopback takes before anybody
// has read a request or written a vector. What `akin serve` takes beyond that is its own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <thread>

#include "serve_load/load_client.h"

namespace akin::bench {

// Of one client on one connection, which asks for `requests` in turn: a thread that reads so many
// bytes, calls `compute` with the request's number, and sends bytes made beforehand.
class LeastServer {
 public:
  LeastServer(std::span<const PreparedRequest> requests, std::function<void(size_t)> compute);
  // Ends once its client has gone.
  ~LeastServer();
  LeastServer(const LeastServer&) = delete;
  LeastServer& operator=(const LeastServer&) = delete;

  uint16_t port() const { return port_; }

 private:
  void Serve(std::span<const PreparedRequest> requests,
             const std::function<void(size_t)>& compute) const;

  int listener_;
  uint16_t port_;
  std::thread thread_;
};

}  // namespace akin::bench
