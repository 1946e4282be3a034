// `akin serve` as a child process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace akin::bench {

class ServerProcess {
 public:
  // Starts it on a free port of the loopback and waits until it is ready. Throws
  // std::runtime_error.
  ServerProcess(const std::string& akin, const std::string& model,
                const std::vector<std::string>& options);
  // SIGTERM, then waits.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  uint16_t port() const { return port_; }
  double ResidentMib() const;
  int Threads() const;
  int Descriptors() const;
  // Of all its threads, since its start.
  double CpuSeconds() const;

 private:
  void WaitUntilReady();
  double Status(const std::string& field) const;

  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

}  // namespace akin::bench
