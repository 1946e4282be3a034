#include "backends/remote/http_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/door.h"
#include "base/strings.h"

namespace akin::backends::remote {
namespace {

constexpr size_t kMaxHeadBytes = size_t{256} << 10;

// What has arrived of one answer.
struct Transfer {
  size_t max_bytes = 0;
  HttpAnswer answer;
  size_t head_bytes = 0;
  std::optional<Error> stopped;  // Why a callback ended the transfer.

  bool Stop(Error error) {
    stopped = std::move(error);
    return false;
  }
  bool TakeHead(std::string_view line) {
    head_bytes += line.size();
    if (head_bytes > kMaxHeadBytes)
      return Stop(Internal("the head of the answer is longer than ", kMaxHeadBytes, " bytes"));
    http::TakeHeaderLine(line, answer.headers);
    return true;
  }
  bool TakeBody(std::string_view piece) {
    if (answer.body.size() + piece.size() > max_bytes)
      return Stop(Internal("the answer is longer than ", max_bytes, " bytes"));
    answer.body += piece;
    return true;
  }
  // No exception passes through libcurl.
  template <bool (Transfer::*kTake)(std::string_view)>
  static size_t On(char* data, size_t size, size_t count, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    try {
      return (transfer.*kTake)({data, size * count}) ? size * count : 0;
    } catch (...) {
      transfer.stopped = CaughtError("cannot receive");
      return 0;
    }
  }
};

}  // namespace

struct HttpPool::Connection {
  Connection() : curl(http::Curl().easy_init()) {
    if (curl == nullptr) throw std::bad_alloc();
  }
  ~Connection() { http::Curl().easy_cleanup(curl); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  CURL* const curl;
};

HttpPool::HttpPool(PoolOptions options)
    : options_(std::move(options)), trust_(http::TrustFromEnvironment()) {}

HttpPool::~HttpPool() = default;

std::unique_ptr<HttpPool::Connection> HttpPool::Take(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const auto free = [&] { return !idle_.empty() || num_connections_ < options_.max_connections; };
  if (!returned_.wait_until(lock, deadline, free)) return nullptr;
  if (idle_.empty()) {
    auto connection = std::make_unique<Connection>();
    idle_.reserve(static_cast<size_t>(++num_connections_));  // Return does not throw.
    return connection;
  }
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void HttpPool::Return(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
  returned_.notify_one();
}

Result<HttpAnswer> HttpPool::Post(const std::string& body, size_t max_bytes,
                                  Clock::time_point deadline) {
  const auto late = [] {
    return MakeError(ErrorCode::kDeadlineExceeded, "no answer within the time for it");
  };
  std::unique_ptr<Connection> connection = Take(deadline);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  if (connection == nullptr || left.count() < 1) {
    if (connection != nullptr) Return(std::move(connection));
    return late();
  }
  CURL* const curl = connection->curl;
  Transfer transfer{.max_bytes = max_bytes};
  http::HeaderLines head;
  head.Add("Content-Type: application/json");
  head.Add("Accept: application/json");
  head.Add("Expect:");  // Nobody waits for "100 Continue".
  if (!options_.api_key.empty()) head.Add("Authorization: Bearer " + options_.api_key);
  char message[CURL_ERROR_SIZE] = "";

  const auto set = http::Curl().easy_setopt;
  http::Curl().easy_reset(curl);  // Keeps the connection.
  set(curl, CURLOPT_URL, options_.url.c_str());
  set(curl, CURLOPT_HTTPHEADER, head.get());
  set(curl, CURLOPT_USERAGENT, "akin");
  set(curl, CURLOPT_ERRORBUFFER, message);
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  set(curl, CURLOPT_FOLLOWLOCATION, 0L);
  http::SetTrust(curl, trust_);
  set(curl, CURLOPT_TCP_NODELAY, 1L);
  set(curl, CURLOPT_POSTFIELDS, body.data());
  set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(curl, CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(std::min(options_.connect_timeout, left).count()));
  set(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
  set(curl, CURLOPT_HEADERFUNCTION, &Transfer::On<&Transfer::TakeHead>);
  set(curl, CURLOPT_HEADERDATA, &transfer);
  set(curl, CURLOPT_WRITEFUNCTION, &Transfer::On<&Transfer::TakeBody>);
  set(curl, CURLOPT_WRITEDATA, &transfer);

  const CURLcode code = http::Curl().easy_perform(curl);
  http::Curl().easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
  Return(std::move(connection));
  if (transfer.stopped) return *std::move(transfer.stopped);
  // Counted in whole milliseconds, the time can be over a little before the deadline.
  constexpr std::chrono::milliseconds kRounding{2};
  if (code == CURLE_OPERATION_TIMEDOUT && Clock::now() + kRounding >= deadline) return late();
  if (code != CURLE_OK)
    return MakeError(ErrorCode::kServiceUnavailable,
                     http::ShownReason(message[0] ? message : http::Curl().easy_strerror(code)),
                     http::IsDistrust(code) ? http::TrustHint(trust_) : "");
  return std::move(transfer.answer);
}

}  // namespace akin::backends::remote
