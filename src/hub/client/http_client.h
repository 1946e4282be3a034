// HTTP as the hub needs it, over libcurl: redirects that are judged one by one, bodies that arrive
// in pieces and have an end, a token that goes to one origin only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "http/headers.h"
#include "hub/client/settings.h"

namespace akin::hub {

struct HttpResponse {
  long status = 0;
  std::string url;  // That answered, after redirects.
  http::Headers headers;
  // Of the first answer: the hub's own words about a file that lies elsewhere.
  http::Headers first_headers;

  // Empty when it is not there.
  std::string Header(const std::string& name) const;
  std::string FirstHeader(const std::string& name) const;
};

// First and last byte, both included.
struct ByteRange {
  int64_t first = 0;
  int64_t last = 0;
};

struct HttpRequest {
  std::string url;
  std::optional<ByteRange> range;
  // Called once before the body of an answer of status 2xx; an error ends the request with it.
  std::function<Status(const HttpResponse&)> on_headers;
  // Called with each piece of such a body.
  std::function<Status(std::string_view)> on_body;
};

// How a request ended that got no usable answer.
struct HttpFailure {
  Error error;
  bool retryable = false;
  std::optional<std::chrono::seconds> retry_after;  // As the server asked.
};

// An answer of any status below 500 but 408 and 429, or a failure.
struct HttpOutcome {
  HttpResponse response;
  std::optional<HttpFailure> failure;
};

// One connection at a time; used by one thread.
class HttpClient {
 public:
  // `cancelled` is asked while the network is waited for; true ends the request (Cancelled).
  HttpClient(const HubSettings& settings, std::function<bool()> cancelled);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  HttpOutcome Get(const HttpRequest& request);

 private:
  struct Transfer;
  // One hop. `hub` are the headers of the first one, if this is another.
  HttpOutcome GetOnce(const HttpRequest& request, const std::string& url, const http::Headers* hub);

  const HubSettings& settings_;
  const std::function<bool()> cancelled_;
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

// Calls `attempt` until it brings an answer, as often and with such waits as the settings say. An
// attempt that reports progress begins the count anew.
class Retries {
 public:
  using Clock = std::chrono::steady_clock;
  // Is told of every wait before it begins.
  using OnWait = std::function<void(const Error& why, Clock::time_point until)>;

  Retries(const HubSettings& settings, const std::function<bool()>& cancelled, OnWait on_wait = {})
      : settings_(settings), cancelled_(cancelled), on_wait_(std::move(on_wait)) {}
  void Progressed() { failures_ = 0; }
  // Waits before the next attempt; an error when there is to be none.
  Status WaitAfter(const HttpFailure& failure);

 private:
  const HubSettings& settings_;
  const std::function<bool()>& cancelled_;
  const OnWait on_wait_;
  int failures_ = 0;
};

}  // namespace akin::hub
