#include "backends/remote/remote_client.h"

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/backend_counters.h"
#include "base/strings.h"
#include "http/curl.h"

namespace akin::backends::remote {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstWait{100}, kLongestWait{5'000};
// An answer may be so long: a number has at most some 25 characters, and before the first answer
// nobody knows how many there are.
constexpr size_t kBytesPerValue = 32;
constexpr size_t kBytesBesides = size_t{1} << 20;
constexpr size_t kMostWidth = size_t{1} << 16;

std::string BaseOf(const RemoteOptions& options) {
  std::string base = options.url;
  while (base.ends_with('/')) base.pop_back();
  return base;
}

// What the server is told and nobody else is to hear.
std::vector<std::string> SecretsOf(const PoolOptions& pool) {
  std::vector<std::string> secrets;
  if (!pool.api_key.empty()) secrets.push_back(pool.api_key);
  if (const http::Url url = http::ParseUrl(pool.url)) {
    std::string password = http::PartOf(url.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
    if (!password.empty()) secrets.push_back(std::move(password));
  }
  return secrets;
}

}  // namespace

template <typename... Pieces>
Error RemoteClient::Say(ErrorCode code, const Pieces&... pieces) const {
  return MakeError(code, "backend remote: ", shown_url_, ": ",
                   WithoutSecrets(StrCat(pieces...), secrets_));
}

Result<std::unique_ptr<RemoteClient>> RemoteClient::Make(const RemoteOptions& options,
                                                         RequestSettings settings) {
  if (options.url.empty()) return InvalidInput("backend remote needs an address (--url)");
  AKIN_TRY(http::LoadCurl());
  const http::Url url = http::ParseUrl(options.url);
  const std::string scheme = url ? http::PartOf(url.get(), CURLUPART_SCHEME) : "";
  if (scheme != "http" && scheme != "https") {
    return InvalidInput("backend remote: '", http::ShownUrl(options.url),
                        "' is no address; expected http://HOST:PORT or https://HOST");
  }
  if (options.url.find_first_of("?#") != std::string::npos) {
    return InvalidInput("backend remote: the address '", http::ShownUrl(options.url),
                        "' has a query ('?') or a fragment ('#'); expected one without, which the "
                        "route is put behind");
  }
  if (options.max_connections < 1 || options.batch_texts < 1 || options.timeout_ms < 1 ||
      options.connect_timeout_ms < 1 || options.max_retries < 0) {
    return InvalidInput("backend remote: connections ", options.max_connections, ", batch texts ",
                        options.batch_texts, ", timeouts ", options.timeout_ms, " and ",
                        options.connect_timeout_ms, " ms must be at least 1, retries ",
                        options.max_retries, " at least 0");
  }
  const std::string base = BaseOf(options);
  PoolOptions pool{.url = base + RoutePath(options.dialect, base),
                   .api_key = options.api_key,
                   .max_connections = options.max_connections,
                   .connect_timeout = milliseconds(options.connect_timeout_ms)};
  const char* key = std::getenv("AKIN_REMOTE_API_KEY");
  if (pool.api_key.empty() && key != nullptr) pool.api_key = key;
  // It becomes a line of the request.
  if (std::ranges::any_of(pool.api_key, [](unsigned char c) { return c < ' '; }))
    return InvalidInput("backend remote: the API key has control characters");
  return std::unique_ptr<RemoteClient>(
      new RemoteClient(options, std::move(settings), std::move(pool)));
}

RemoteClient::RemoteClient(const RemoteOptions& options, RequestSettings settings, PoolOptions pool)
    : options_(options),
      settings_(std::move(settings)),
      shown_url_(http::ShownUrl(pool.url)),
      secrets_(SecretsOf(pool)),
      pool_(std::move(pool)),
      random_(std::random_device()()) {}

RemoteClient::~RemoteClient() {
  if (breaker_.open()) --CountersOfBackends().remote_open_breakers;
}

Status RemoteClient::Embed(std::span<const std::string_view> texts, std::vector<float>& values) {
  values.clear();
  const auto deadline = Clock::now() + milliseconds(options_.timeout_ms);
  const auto most = static_cast<size_t>(options_.batch_texts);
  for (size_t begin = 0; begin < texts.size(); begin += most) {
    AKIN_TRY(
        EmbedPart(texts.subspan(begin, std::min(most, texts.size() - begin)), deadline, values));
  }
  return {};
}

Status RemoteClient::EmbedPart(std::span<const std::string_view> texts, Clock::time_point deadline,
                               std::vector<float>& values) {
  const std::string body = WriteRequest(texts, settings_);
  for (int attempt = 0;; ++attempt) {
    AKIN_TRY(AskBreaker());
    const auto failure = Attempt(body, texts.size(), deadline, values);
    TellBreaker(failure);
    if (!failure) return {};
    if (!failure->may_pass || attempt >= options_.max_retries) return failure->error;
    AKIN_TRY(WaitAfter(*failure, attempt, deadline));
    ++CountersOfBackends().remote_retries;
  }
}

Status RemoteClient::AskBreaker() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (breaker_.Admits(now)) return {};
  ++CountersOfBackends().remote_refusals;
  return Say(ErrorCode::kServiceUnavailable, "has failed again and again; it is asked again in ",
             breaker_.Rest(now).count(), " ms");
}

void RemoteClient::TellBreaker(const std::optional<Failure>& failure) {
  BackendCounters& counters = CountersOfBackends();
  ++counters.remote_requests;
  if (failure) ++counters.remote_failures;
  const std::lock_guard lock(mutex_);
  const bool was_open = breaker_.open();
  if (failure && failure->breaks) {
    breaker_.Failed(Clock::now());
  } else {
    breaker_.Succeeded();
  }
  counters.remote_open_breakers += static_cast<int>(breaker_.open()) - static_cast<int>(was_open);
}

std::optional<RemoteClient::Failure> RemoteClient::Attempt(const std::string& body,
                                                           size_t num_texts,
                                                           Clock::time_point deadline,
                                                           std::vector<float>& values) {
  const size_t width = width_ == 0 ? kMostWidth : width_;
  const auto answer =
      pool_.Post(body, kBytesBesides + num_texts * width * kBytesPerValue, deadline);
  if (!answer) {
    const bool unavailable = answer.error().code() == ErrorCode::kServiceUnavailable;
    return Failure{.error = Say(answer.error().code(), answer.error().message()),
                   .may_pass = unavailable,
                   .breaks = answer.error().code() != ErrorCode::kInternal};
  }
  if (auto failure = JudgeStatus(*answer)) return failure;
  size_t found = width_;
  const size_t begin = values.size();
  const Status read = ReadVectors(answer->body, settings_.dialect, num_texts, found, values);
  if (read) {
    if (width_ == 0) width_ = found;
    return std::nullopt;
  }
  values.resize(begin);
  const std::string type = WithoutSecrets(http::Find(answer->headers, "content-type"), secrets_);
  if (!type.empty() && !type.starts_with("application/json")) {
    return Failure{
        .error = Say(ErrorCode::kInternal, "answers with ", type.substr(0, 60), ", expected JSON")};
  }
  return Failure{.error = Say(ErrorCode::kInternal, read.error().message())};
}

std::optional<RemoteClient::Failure> RemoteClient::JudgeStatus(const HttpAnswer& answer) const {
  const long status = answer.status;
  if (status == 200) return std::nullopt;
  if (http::IsRedirect(status)) {
    return Failure{.error = Say(ErrorCode::kInvalidInput, "redirects to '",
                                http::ShownUrl(http::Find(answer.headers, "location")),
                                "', which is not followed; give that address if it is right")};
  }
  const std::string reason = ReadReason(answer.body, secrets_);
  const std::string said = reason.empty() ? "" : StrCat(" and says: ", reason);
  if (status == 401 || status == 403)
    return Failure{.error = Say(ErrorCode::kInvalidInput, "answers with status ", status,
                                ": it wants another API key (--remote-api-key)")};
  if (status == 404)
    return Failure{.error = Say(ErrorCode::kInvalidInput, "answers with status 404", said,
                                ": it has no such route or model (--dialect, --remote-model)")};
  const bool overloaded = status == 429;
  const bool may_pass = overloaded || status == 408 || status == 425 || status >= 500;
  const ErrorCode code = overloaded ? ErrorCode::kOverloaded
                         : may_pass ? ErrorCode::kServiceUnavailable
                                    : ErrorCode::kInvalidInput;
  return Failure{.error = Say(code, "answers with status ", status, said),
                 .may_pass = may_pass,
                 .breaks = status >= 500,
                 .retry_after = http::RetryAfter(answer.headers)};
}

Status RemoteClient::WaitAfter(const Failure& failure, int attempt, Clock::time_point deadline) {
  // Half to all of 1, 2, 4, .. times the first wait, so that many clients do not come back at once.
  const milliseconds full = std::min(kLongestWait, kFirstWait * (1 << std::min(attempt, 10)));
  milliseconds wait;
  {
    const std::lock_guard lock(mutex_);
    wait = milliseconds(
        std::uniform_int_distribution<int64_t>(full.count() / 2, full.count())(random_));
  }
  if (failure.retry_after) wait = std::max<milliseconds>(wait, *failure.retry_after);
  if (Clock::now() + wait >= deadline) {
    if (!failure.retry_after) return failure.error;
    return MakeError(failure.error.code(), failure.error.message(), " and asks to wait ",
                     failure.retry_after->count(), " s");
  }
  std::this_thread::sleep_for(wait);
  return {};
}

}  // namespace akin::backends::remote
