#include "hub/client/http_client.h"

#include <algorithm>
#include <new>
#include <random>
#include <thread>

#include "akin/system.h"

#include "base/door.h"
#include "base/strings.h"
#include "http/curl.h"

namespace akin::hub {
namespace {

constexpr size_t kMaxHeaderBytes = size_t{256} << 10;
constexpr long kBufferBytes = 512 << 10;  // The most that libcurl takes: few calls for much data.
constexpr std::chrono::seconds kLongestWait{120};
constexpr std::chrono::milliseconds kCancelCheck{50};

HttpFailure Refused(Error error) { return {.error = std::move(error)}; }
HttpFailure Retryable(Error error) { return {.error = std::move(error), .retryable = true}; }

}  // namespace

std::string HttpResponse::Header(const std::string& name) const {
  return http::Find(headers, name);
}
std::string HttpResponse::FirstHeader(const std::string& name) const {
  return http::Find(first_headers, name);
}

struct HttpClient::Handle {
  Handle() : curl(http::Curl().easy_init()) {}
  ~Handle() { http::Curl().easy_cleanup(curl); }
  CURL* const curl;
};

// What one request has received so far.
struct HttpClient::Transfer {
  const HttpRequest& request;
  const std::function<bool()>& cancelled;
  const http::Headers* hub;
  HttpResponse response;
  size_t header_bytes = 0;
  bool body_begun = false;
  std::optional<Error> stopped;  // Why a callback ended the transfer.
  bool taking_body = false;      // It was on_body: the disk, not the server; no use to try again.

  bool Stop(Error error) {
    if (!stopped) stopped = std::move(error);
    return false;
  }

  bool TakeHeader(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kMaxHeaderBytes)
      return Stop(MakeError(ErrorCode::kServiceUnavailable, http::ShownUrl(request.url),
                            ": the headers are longer than ", kMaxHeaderBytes, " bytes"));
    http::TakeHeaderLine(line, response.headers);
    return true;
  }

  bool BeginBody(CURL* curl) {
    body_begun = true;
    response.first_headers = hub == nullptr ? response.headers : *hub;
    http::Curl().easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
    if (response.status / 100 != 2) return true;
    const std::string encoding = response.Header("content-encoding");
    if (!encoding.empty() && encoding != "identity") {
      return Stop(MakeError(ErrorCode::kServiceUnavailable, http::ShownUrl(request.url),
                            ": the answer is encoded as ", encoding,
                            ", though it was asked for as it is"));
    }
    if (!request.on_headers) return true;
    Status judged = request.on_headers(response);
    return judged || Stop(std::move(judged).error());
  }

  bool TakeBody(CURL* curl, std::string_view piece) {
    if (!body_begun && !BeginBody(curl)) return false;
    if (response.status / 100 != 2 || !request.on_body) return true;  // Nobody reads error pages.
    taking_body = true;
    Status taken = request.on_body(piece);
    return taken || Stop(std::move(taken).error());
  }

  static size_t OnHeader(char* data, size_t size, size_t count, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    return transfer.Guarded([&] { return transfer.TakeHeader({data, size * count}); })
               ? size * count
               : 0;
  }
  // libcurl hands over the transfer; the handle is asked through it.
  struct Sink {
    Transfer& transfer;
    CURL* curl;
  };
  static size_t OnBody(char* data, size_t size, size_t count, void* self) noexcept {
    auto& sink = *static_cast<Sink*>(self);
    return sink.transfer.Guarded(
               [&] { return sink.transfer.TakeBody(sink.curl, {data, size * count}); })
               ? size * count
               : 0;
  }
  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    return transfer.Guarded([&] {
      return !transfer.cancelled() ||
             transfer.Stop(MakeError(ErrorCode::kCancelled, "the download was given up"));
    })
               ? 0
               : 1;
  }

  // No exception passes through libcurl.
  template <typename Body>
  bool Guarded(Body&& body) noexcept {
    try {
      return body();
    } catch (...) {
      stopped = CaughtError("cannot receive");
      return false;
    }
  }
};

HttpClient::HttpClient(const HubSettings& settings, std::function<bool()> cancelled)
    : settings_(settings), cancelled_(std::move(cancelled)) {
  handle_ = std::make_unique<Handle>();
  if (handle_->curl == nullptr) throw std::bad_alloc();
}

HttpClient::~HttpClient() = default;

HttpOutcome HttpClient::GetOnce(const HttpRequest& request, const std::string& url,
                                const http::Headers* hub) {
  CURL* const curl = handle_->curl;
  Transfer transfer{request, cancelled_, hub};
  Transfer::Sink sink{transfer, curl};
  transfer.response.url = url;

  http::HeaderLines headers;
  headers.Add("Accept-Encoding: identity");
  if (!settings_.token.empty() && http::OriginOf(url) == http::OriginOf(settings_.endpoint))
    headers.Add("Authorization: Bearer " + settings_.token);
  char message[CURL_ERROR_SIZE] = "";
  const std::string agent = StrCat("akin/", Version());

  const auto set = http::Curl().easy_setopt;
  http::Curl().easy_reset(curl);  // Keeps connections.
  set(curl, CURLOPT_URL, url.c_str());
  set(curl, CURLOPT_HTTPHEADER, headers.get());
  set(curl, CURLOPT_USERAGENT, agent.c_str());
  set(curl, CURLOPT_ERRORBUFFER, message);
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  set(curl, CURLOPT_FOLLOWLOCATION, 0L);  // Get judges redirects itself.
  set(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings_.connect_timeout.count()));
  set(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings_.stall_timeout.count()));
  set(curl, CURLOPT_BUFFERSIZE, kBufferBytes);
  http::SetTrust(curl, settings_.trust);
  std::string range;
  if (request.range) {
    range = StrCat(request.range->first, '-', request.range->last);
    set(curl, CURLOPT_RANGE, range.c_str());
  }
  set(curl, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  set(curl, CURLOPT_HEADERDATA, &transfer);
  set(curl, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  set(curl, CURLOPT_WRITEDATA, &sink);
  set(curl, CURLOPT_NOPROGRESS, 0L);
  set(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::OnProgress);
  set(curl, CURLOPT_XFERINFODATA, &transfer);

  const CURLcode code = http::Curl().easy_perform(curl);
  if (code == CURLE_OK && !transfer.body_begun)  // An empty body.
    (void)transfer.Guarded([&] { return transfer.BeginBody(curl); });
  HttpOutcome outcome{.response = std::move(transfer.response)};
  if (transfer.stopped) {
    const bool retryable =
        transfer.stopped->code() == ErrorCode::kServiceUnavailable && !transfer.taking_body;
    outcome.failure = HttpFailure{.error = *std::move(transfer.stopped), .retryable = retryable};
  } else if (code != CURLE_OK) {
    const bool distrust = http::IsDistrust(code);
    outcome.failure = HttpFailure{
        .error =
            MakeError(ErrorCode::kServiceUnavailable, http::ShownUrl(url), ": ",
                      http::ShownReason(message[0] ? message : http::Curl().easy_strerror(code)),
                      distrust ? http::TrustHint(settings_.trust) : ""),
        .retryable =
            !distrust && code != CURLE_UNSUPPORTED_PROTOCOL && code != CURLE_URL_MALFORMAT};
  }
  return outcome;
}

HttpOutcome HttpClient::Get(const HttpRequest& request) {
  std::string url = request.url;
  http::Headers first_headers;
  for (int redirects = 0;; ++redirects) {
    HttpOutcome outcome = GetOnce(request, url, redirects == 0 ? nullptr : &first_headers);
    if (redirects == 0) first_headers = outcome.response.headers;
    if (outcome.failure) return outcome;
    const long status = outcome.response.status;
    if (status == 408 || status == 429 || status >= 500) {
      outcome.failure = Retryable(
          MakeError(status == 429 ? ErrorCode::kOverloaded : ErrorCode::kServiceUnavailable,
                    http::ShownUrl(url), ": the server answers with status ", status));
      outcome.failure->retry_after = http::RetryAfter(outcome.response.headers);
      return outcome;
    }
    if (!http::IsRedirect(status)) return outcome;

    const http::Url next = http::ParseUrl(url);
    const std::string location = outcome.response.Header("location");
    const auto refuse = [&](const auto&... why) {
      outcome.failure =
          Refused(MakeError(ErrorCode::kServiceUnavailable, http::ShownUrl(request.url), why...));
      return outcome;
    };
    if (redirects == settings_.max_redirects)
      return refuse(": more than ", settings_.max_redirects, " redirects");
    if (location.empty() || !next ||
        http::Curl().url_set(next.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) {
      return refuse(": redirected to '", http::ShownUrl(location), "', which is no address");
    }
    const std::string scheme = http::PartOf(next.get(), CURLUPART_SCHEME);
    const std::string before = url.substr(0, url.find(':'));
    if (scheme != "https" && (scheme != "http" || before == "https"))
      return refuse(": redirected from ", before, " to ", scheme, ", which is refused");
    url = http::PartOf(next.get(), CURLUPART_URL);
  }
}

Status Retries::WaitAfter(const HttpFailure& failure) {
  if (!failure.retryable || failures_ >= settings_.max_retries) return failure.error;
  // Back-off with jitter: half to all of 1, 2, 4, .. times the first wait.
  thread_local std::minstd_rand random{std::random_device()()};
  const auto full = settings_.first_retry_wait * (1 << failures_);
  std::chrono::milliseconds wait(
      std::uniform_int_distribution<int64_t>(full.count() / 2, full.count())(random));
  ++failures_;
  if (failure.retry_after) {
    if (*failure.retry_after > kLongestWait) {
      return MakeError(failure.error.code(), failure.error.message(), " and asks to wait ",
                       failure.retry_after->count(), " s");
    }
    wait = std::max<std::chrono::milliseconds>(wait, *failure.retry_after);
  }
  const auto until = Clock::now() + wait;
  if (on_wait_) on_wait_(failure.error, until);
  while (Clock::now() < until) {
    if (cancelled_()) return MakeError(ErrorCode::kCancelled, "the download was given up");
    std::this_thread::sleep_for(std::min<Clock::duration>(kCancelCheck, until - Clock::now()));
  }
  return {};
}

}  // namespace akin::hub
