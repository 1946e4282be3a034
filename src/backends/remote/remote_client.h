// Requests to a server, with their retries: texts in, vectors out.
#pragma once

#include <chrono>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/remote.h"
#include "akin/result.h"

#include "backends/remote/circuit_breaker.h"
#include "backends/remote/dialect.h"
#include "backends/remote/http_pool.h"

namespace akin::backends::remote {

class RemoteClient {
 public:
  ~RemoteClient();
  RemoteClient(const RemoteClient&) = delete;
  RemoteClient& operator=(const RemoteClient&) = delete;
  // Error: InvalidInput, an option.
  static Result<std::unique_ptr<RemoteClient>> Make(const RemoteOptions& options,
                                                    RequestSettings settings);

  // Of the vectors; 0 until the first answer.
  size_t width() const { return width_; }
  const std::string& shown_url() const { return shown_url_; }

  // Embeds `texts` and leaves [texts, width] values. Any number of threads, but for the first call.
  // Errors: InvalidInput (the server refuses the request), Overloaded, ServiceUnavailable,
  // DeadlineExceeded, Internal (an answer that is wrong).
  Status Embed(std::span<const std::string_view> texts, std::vector<float>& values);

 private:
  using Clock = std::chrono::steady_clock;
  // How an attempt ended that brought no vectors.
  struct Failure {
    Error error;
    bool may_pass = false;                            // Trying again can help.
    bool breaks = false;                              // The circuit breaker counts it.
    std::optional<std::chrono::seconds> retry_after;  // As the server asked.
  };

  RemoteClient(const RemoteOptions& options, RequestSettings settings, PoolOptions pool);

  Status EmbedPart(std::span<const std::string_view> texts, Clock::time_point deadline,
                   std::vector<float>& values);
  std::optional<Failure> Attempt(const std::string& body, size_t num_texts,
                                 Clock::time_point deadline, std::vector<float>& values);
  std::optional<Failure> JudgeStatus(const HttpAnswer& answer) const;
  Status AskBreaker();
  void TellBreaker(const std::optional<Failure>& failure);
  // Error: that of the failure, when the wait would be longer than the time that is left.
  Status WaitAfter(const Failure& failure, int attempt, Clock::time_point deadline);
  // The pieces may come from the server.
  template <typename... Pieces>
  Error Say(ErrorCode code, const Pieces&... pieces) const;

  const RemoteOptions options_;
  const RequestSettings settings_;
  const std::string shown_url_;
  const std::vector<std::string> secrets_;  // The key and the like: a server may repeat them.
  HttpPool pool_;
  size_t width_ = 0;
  std::mutex mutex_;
  CircuitBreaker breaker_{{}};  // Guarded by mutex_.
  std::minstd_rand random_;     // Likewise.
};

}  // namespace akin::backends::remote
