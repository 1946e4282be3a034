#include "serve_load/load_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace akin::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kGiveUp = std::chrono::seconds(30);
// How late an open loop sends what is due, at most. It shares its cores with the server: each
// wake-up takes a computing thread off one.
constexpr int kMostLateMs = 4;

[[noreturn]] void ThrowErrno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

double ThreadCpuSeconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

int Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) ThrowErrno("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    close(fd);
    errno = error;
    ThrowErrno("connect");
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// The status and the body of an answer that has arrived whole; nothing before that.
struct Answer {
  int status = 0;
  std::string_view body;
};
std::optional<Answer> FindAnswer(std::string_view received) {
  const size_t end = received.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  constexpr std::string_view kLength = "content-length: ";
  const std::string_view head = received.substr(0, end);
  const auto equal = [](char c, char lower) {
    return (c >= 'A' && c <= 'Z' ? c | 32 : c) == lower;
  };
  const auto at = std::ranges::search(head, kLength, equal);
  // A chunked answer, or one that ends with the connection.
  if (at.empty()) throw std::runtime_error("an answer has no Content-Length");
  size_t length = 0;
  std::from_chars(at.end(), head.end(), length);
  if (received.size() < end + 4 + length) return std::nullopt;
  Answer answer{.body = received.substr(end + 4, length)};
  std::from_chars(received.data() + 9, received.data() + 12, answer.status);
  return answer;
}

struct Client {
  int fd = -1;
  size_t request = 0;
  bool waits = false;
  Clock::time_point sent;
  std::string received;
  bool is_right = false;  // What it received.
};

class Loop {
 public:
  Loop(const Load& load, std::span<const PreparedRequest> requests)
      : load_(load), requests_(requests), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) ThrowErrno("epoll_create1");
    clients_.reserve(static_cast<size_t>(load.clients));
    idle_.reserve(clients_.capacity());
  }
  ~Loop() {
    for (const Client& client : clients_) {
      if (client.fd >= 0) close(client.fd);
    }
    close(epoll_);
  }

  LoadResult Run() {
    const double cpu_before = ThreadCpuSeconds();
    begin_ = Clock::now();
    end_ = begin_ + std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double>(load_.seconds));
    if (load_.rate == 0) {
      for (int i = 0; i < load_.clients; ++i) Send(*Add());
    }
    while (!Done()) {
      if (load_.rate > 0) SendDue();
      Poll();
    }
    const auto finished = Clock::now();
    // A closed loop ends with its last answer, an open one with its time.
    const auto end = load_.rate > 0 ? finished : std::min(finished, last_answer_);
    result_.seconds = std::chrono::duration<double>(end - begin_).count();
    result_.right_in_time = result_.right;
    // What is on its way is waited for, so that nothing is counted as lost that is only late.
    while (waiting_ > 0 && Clock::now() < finished + kGiveUp) Poll();
    result_.lost += waiting_;
    result_.client_cpu_seconds = ThreadCpuSeconds() - cpu_before;
    for (const Client& client : clients_) {
      if (!client.is_right) continue;
      const auto answer = FindAnswer(client.received);
      result_.last_answers.push_back({client.request, std::string(answer->body)});
    }
    std::ranges::sort(result_.right_us);
    std::ranges::sort(result_.refused_us);
    return std::move(result_);
  }

 private:
  bool Done() const {
    if (load_.requests > 0) return answers_ >= load_.requests;
    return Clock::now() >= end_;
  }
  bool Stopping() const {
    return load_.requests > 0 ? answers_ + waiting_ >= load_.requests : Clock::now() >= end_;
  }

  Client* Add() {
    Client& client = clients_.emplace_back();
    client.received.reserve(size_t{1} << 14);
    Open(client, clients_.size() - 1);
    return &client;
  }
  void Open(Client& client, size_t index) {
    client.fd = Connect(load_.port);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = index}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event) != 0) ThrowErrno("epoll_ctl");
  }

  void Send(Client& client) {
    client.request = next_request_++ % requests_.size();
    client.received.clear();
    client.is_right = false;
    client.sent = Clock::now();
    client.waits = true;
    ++waiting_;
    ++result_.sent;
    std::string_view rest = requests_[client.request].bytes;
    while (!rest.empty()) {
      const ssize_t count = send(client.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (count <= 0) return Lose(client);
      rest.remove_prefix(static_cast<size_t>(count));
    }
  }

  // Open loop: all whose time has come.
  void SendDue() {
    const double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
    for (; static_cast<double>(due_) < elapsed * load_.rate; ++due_) {
      if (Clock::now() >= end_) return;
      if (!idle_.empty()) {
        const size_t client = idle_.back();
        idle_.pop_back();
        if (clients_[client].fd < 0) Open(clients_[client], client);
        SendOrLeave(client);
      } else if (static_cast<int>(clients_.size()) < load_.clients) {
        Add();
        SendOrLeave(clients_.size() - 1);
      } else {
        ++result_.not_sent;
      }
    }
  }

  void SendOrLeave(size_t index) {
    Client& client = clients_[index];
    Send(client);
    if (load_.leave_every == 0 || !client.waits || result_.sent % load_.leave_every != 0) return;
    if (result_.left % 2 == 0) {
      const linger reset{.l_onoff = 1, .l_linger = 0};
      setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(client.fd);
    client.fd = -1;
    client.waits = false;
    --waiting_;
    ++result_.left;
    idle_.push_back(index);
  }

  void Poll() {
    epoll_event events[64];
    const int count = epoll_wait(epoll_, events, 64, load_.rate > 0 ? kMostLateMs : 100);
    for (int i = 0; i < count; ++i) Receive(clients_[events[i].data.u64], events[i].data.u64);
  }

  void Receive(Client& client, size_t index) {
    if (client.fd < 0) return;
    const ssize_t count = recv(client.fd, buffer_, sizeof buffer_, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return Lose(client);
    client.received.append(buffer_, static_cast<size_t>(count));
    const auto answer = FindAnswer(client.received);
    if (!answer || !client.waits) return;
    Count(client, *answer);
    if (load_.rate > 0) {
      idle_.push_back(index);
    } else if (!Stopping()) {
      Send(client);
    }
  }

  void Count(Client& client, const Answer& answer) {
    last_answer_ = Clock::now();
    client.waits = false;
    --waiting_;
    ++answers_;
    const float us = std::chrono::duration<float, std::micro>(last_answer_ - client.sent).count();
    if (answer.status == 200) {
      client.is_right = !load_.compare || answer.body == requests_[client.request].expected;
      ++(client.is_right ? result_.right : result_.wrong);
      result_.right_us.push_back(us);
    } else if (answer.status == 429 || answer.status == 503) {
      ++result_.refused;
      result_.refused_us.push_back(us);
    } else {
      ++result_.other;
    }
  }

  void Lose(Client& client) {
    if (client.waits) {
      --waiting_;
      ++result_.lost;
    }
    client.waits = false;
    close(client.fd);
    client.fd = -1;
  }

  const Load& load_;
  const std::span<const PreparedRequest> requests_;
  const int epoll_;
  std::vector<Client> clients_;
  std::vector<size_t> idle_;
  Clock::time_point begin_, end_, last_answer_;
  size_t next_request_ = 0;
  int64_t answers_ = 0, waiting_ = 0, due_ = 0;
  LoadResult result_;
  char buffer_[size_t{256} << 10];
};

}  // namespace

PreparedRequest Prepare(const std::string& path, const std::string& json, std::string expected) {
  return {"POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
              "Content-Length: " + std::to_string(json.size()) + "\r\n\r\n" + json,
          std::move(expected)};
}

LoadResult Run(const Load& load, std::span<const PreparedRequest> requests) {
  const auto loop = std::make_unique<Loop>(load, requests);
  return loop->Run();
}

double Percentile(std::span<const float> sorted, double percent) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<size_t>(percent / 100 * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

namespace {

Answer AskOnce(int fd, const std::string& request, std::string& received) {
  received.clear();
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    ThrowErrno("send");
  }
  char buffer[size_t{64} << 10];
  while (true) {
    if (const auto answer = FindAnswer(received)) return *answer;
    const ssize_t count = recv(fd, buffer, sizeof buffer, 0);
    if (count <= 0) throw std::runtime_error("the server closed the connection");
    received.append(buffer, static_cast<size_t>(count));
  }
}

std::string GetRequest(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
}

}  // namespace

IdleConnections::IdleConnections(uint16_t port, int count) {
  std::string received;
  for (int i = 0; i < count; ++i) {
    sockets_.push_back(Connect(port));
    AskOnce(sockets_.back(), GetRequest("/health"), received);
  }
}

IdleConnections::~IdleConnections() {
  for (const int fd : sockets_) close(fd);
}

namespace {

std::string AskAlone(uint16_t port, const std::string& request) {
  const int fd = Connect(port);
  std::string received;
  const Answer answer = AskOnce(fd, request, received);
  close(fd);
  if (answer.status != 200) {
    throw std::runtime_error(request.substr(0, request.find(" HTTP/")) + " is answered with " +
                             std::to_string(answer.status));
  }
  return std::string(answer.body);
}

}  // namespace

std::string Ask(uint16_t port, const PreparedRequest& request) {
  return AskAlone(port, request.bytes);
}

std::string Get(uint16_t port, const std::string& path) { return AskAlone(port, GetRequest(path)); }

}  // namespace akin::bench
