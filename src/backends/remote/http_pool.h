// Connections to one server, kept open from request to request.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"

#include "http/curl.h"
#include "http/headers.h"

namespace akin::backends::remote {

struct HttpAnswer {
  long status = 0;
  http::Headers headers;
  std::string body;
};

struct PoolOptions {
  std::string url;  // That everything is posted to.
  std::string api_key;
  int max_connections = 1;
  std::chrono::milliseconds connect_timeout{5'000};
};

class HttpPool {
 public:
  using Clock = std::chrono::steady_clock;

  explicit HttpPool(PoolOptions options);
  ~HttpPool();
  HttpPool(const HttpPool&) = delete;
  HttpPool& operator=(const HttpPool&) = delete;

  // Posts JSON and waits for the whole answer, of at most `max_bytes`. Redirects are answers: the
  // key and the texts go to the address that was given. Any number of threads. Errors:
  // ServiceUnavailable (no connection, cut off), DeadlineExceeded, Internal (an answer that is too
  // long).
  Result<HttpAnswer> Post(const std::string& body, size_t max_bytes, Clock::time_point deadline);

 private:
  struct Connection;
  std::unique_ptr<Connection> Take(Clock::time_point deadline);
  void Return(std::unique_ptr<Connection> connection);

  const PoolOptions options_;
  const http::Trust trust_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;  // Guarded by mutex_.
  int num_connections_ = 0;                        // Likewise.
};

}  // namespace akin::backends::remote
