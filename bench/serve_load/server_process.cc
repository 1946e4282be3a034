#include "serve_load/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "serve_load/load_client.h"

namespace akin::bench {
namespace {

constexpr auto kStartDeadline = std::chrono::seconds(60);

// One that nobody listens on now.
uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (fd >= 0) close(fd);
  if (!bound) throw std::runtime_error("there is no free port");
  return ntohs(address.sin_port);
}

}  // namespace

ServerProcess::ServerProcess(const std::string& akin, const std::string& model,
                             const std::vector<std::string>& options)
    : port_(FreePort()) {
  std::vector<std::string> words = {
      akin, "serve", "--host", "127.0.0.1", "--port", std::to_string(port_), "--model", model};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    // Its log is written as ever, to nowhere.
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  WaitUntilReady();
}

void ServerProcess::WaitUntilReady() {
  const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
  while (std::chrono::steady_clock::now() < deadline) {
    if (int status = 0; waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("the server ended at its start; `akin serve --check` says why");
    }
    try {
      Get(port_, "/health/ready");
      return;
    } catch (const std::exception&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  throw std::runtime_error("the server is not ready after 60 s");
}

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

// Of /proc/PID/status, 0 if it is not there.
double ServerProcess::Status(const std::string& field) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; status >> word;) {
    double value = 0;
    if (word == field && status >> value) return value;
  }
  return 0;
}

double ServerProcess::ResidentMib() const { return Status("VmRSS:") / 1024; }

int ServerProcess::Threads() const { return static_cast<int>(Status("Threads:")); }

int ServerProcess::Descriptors() const {
  std::error_code ignored;
  const std::filesystem::directory_iterator begin("/proc/" + std::to_string(pid_) + "/fd", ignored);
  return static_cast<int>(std::distance(begin, std::filesystem::directory_iterator()));
}

double ServerProcess::CpuSeconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // Fields 14 and 15, counted behind the name in parentheses.
  const char* at = text.c_str() + text.rfind(')') + 1;
  double ticks = 0;
  for (int field = 3; field <= 15; ++field) {
    char* end = nullptr;
    const char* begin = at;
    while (*begin == ' ') ++begin;
    const double value = std::strtod(begin, &end);
    at = end == begin ? begin + 1 : end;  // The state is a letter.
    if (field >= 14) ticks += value;
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace akin::bench
