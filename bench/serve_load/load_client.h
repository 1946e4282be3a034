// Many HTTP clients in one thread, as cheap as they can be made: they share the machine with the
// server that they measure. Requests are bytes made beforehand, answers are compared with bytes
// that are known to be right.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace akin::bench {

struct PreparedRequest {
  std::string bytes;     // Head and body.
  std::string expected;  // The body of the right answer.
};

// POST of a JSON body to `path`.
PreparedRequest Prepare(const std::string& path, const std::string& json, std::string expected);

struct Load {
  uint16_t port = 0;
  int clients = 1;     // Connections; in an open loop at most so many.
  double rate = 0;     // Requests a second, whatever the answers (open loop). 0: each client sends
                       // when it has its answer.
  double seconds = 1;  // Ends after so long,
  int64_t requests = 0;  // or after so many answers, if it is not 0.
  int leave_every = 0;  // Open loop: the client of each so-manieth request leaves as soon as it has
                        // sent it, every other one without a word (a reset). 0: none.
  bool compare = true;  // Answers are to be `expected`; otherwise any with status 200 is right.
};

struct LastAnswer {
  size_t request = 0;
  std::string body;
};

struct LoadResult {
  int64_t sent = 0, right = 0, wrong = 0;
  int64_t refused = 0;   // 429 and 503.
  int64_t other = 0;     // Other statuses.
  int64_t lost = 0;      // Sent, and the connection ended or nothing came within 30 s.
  int64_t left = 0;      // Sent, and not waited for.
  int64_t not_sent = 0;  // Open loop: no connection was free.
  double seconds = 0;
  int64_t right_in_time = 0;                // Of `right`, within the seconds.
  double client_cpu_seconds = 0;            // Of the thread that plays the clients.
  std::vector<float> right_us, refused_us;  // From the request's sending to its answer; sorted.
  std::vector<LastAnswer> last_answers;     // With status 200, one of each client at most.

  // Whether each request that was sent has come to exactly one thing.
  bool balances() const { return sent == right + wrong + refused + other + lost + left; }
  double per_second() const {
    return seconds > 0 ? static_cast<double>(right_in_time) / seconds : 0;
  }
};

// Takes the requests in turn. Throws std::system_error when the machine has no sockets.
LoadResult Run(const Load& load, std::span<const PreparedRequest> requests);

// Of sorted values; 0 without any.
double Percentile(std::span<const float> sorted, double percent);

// One request on a connection of its own -> the body. Throws std::runtime_error for any other
// status than 200.
std::string Ask(uint16_t port, const PreparedRequest& request);

// Connections that say nothing after one request each.
class IdleConnections {
 public:
  IdleConnections(uint16_t port, int count);
  ~IdleConnections();
  IdleConnections(const IdleConnections&) = delete;
  IdleConnections& operator=(const IdleConnections&) = delete;
  int count() const { return static_cast<int>(sockets_.size()); }

 private:
  std::vector<int> sockets_;
};

// As Ask.
std::string Get(uint16_t port, const std::string& path);

}  // namespace akin::bench
