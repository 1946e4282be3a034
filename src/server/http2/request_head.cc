#include "server/http2/request_head.h"

#include <algorithm>
#include <utility>

#include "server/http/syntax.h"
#include "server/text.h"

namespace akin::server {
namespace {

constexpr size_t kFieldOverhead = 32;  // RFC 9113, 6.5.2.

}  // namespace

bool RequestHead::Add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverhead;
  if (refusal_) {
    // Whom the answer is for depends on it.
    constexpr size_t kMaxTypeBytes = 256;
    if (name == "content-type" && value.size() <= kMaxTypeBytes &&
        request_.header("content-type").empty())
      request_.headers.push_back({std::string(name), std::string(value)});
    return false;
  }
  if (name == ":path" && value.size() > kMaxRequestLineBytes) {
    refusal_ = Refusal{414, "the request line is too long"};
  } else if (bytes_ > kMaxHeadBytes) {
    refusal_ = Refusal{431, "the headers are too long"};
  } else if (request_.headers.size() + (authority_ ? 1 : 0) == kMaxHeaders) {
    refusal_ = Refusal{431, "too many headers"};
  }
  if (refusal_) return false;
  if (name == ":method") {
    request_.method = value;
  } else if (name == ":path") {
    target_ = value;
  } else if (name == ":scheme") {
    scheme_ = value;
  } else if (name == ":authority") {
    authority_ = value;
  } else {
    request_.headers.push_back({std::string(name), std::string(value)});
  }
  return true;
}

std::optional<Refusal> RequestHead::ReadTarget() {
  if (!IsToken(request_.method)) return Refusal{400, "the method is malformed"};
  if (scheme_ != "http" && scheme_ != "https")
    return Refusal{400, "the scheme is neither http nor https"};
  if (!IsVisible(target_)) return Refusal{400, "the request target is malformed"};
  if (target_[0] != '/' && target_ != "*") return Refusal{400, "the request target is no path"};
  const size_t mark = target_.find('?');
  request_.path = target_.substr(0, mark);
  if (mark != std::string::npos) request_.query = target_.substr(mark + 1);
  return {};
}

std::optional<Refusal> RequestHead::ReadHost() {
  auto& headers = request_.headers;
  const auto host = std::ranges::find(headers, "host", &HttpHeader::name);
  if (!authority_ && host == headers.end()) return Refusal{400, "not one host header"};
  const std::string& authority = authority_ ? *authority_ : host->value;
  if (!IsAuthority(authority)) return Refusal{400, "the host is malformed"};
  if (host == headers.end()) {
    headers.insert(headers.begin(), {"host", authority});
  } else if (!EqualIgnoringCase(host->value, authority)) {
    return Refusal{400, "the host header is not the authority"};
  }
  return {};
}

std::variant<HttpRequest, Refusal> RequestHead::Finish() {
  if (!refusal_) refusal_ = ReadTarget();
  if (!refusal_) refusal_ = ReadHost();
  for (const HttpHeader& header : request_.headers) {
    if (!refusal_ && (!IsToken(header.name) || !IsFieldValue(header.value)))
      refusal_ = Refusal{400, "a header is malformed"};
  }
  const std::string_view expected = request_.header("expect");
  if (!refusal_ && !expected.empty() && !EqualIgnoringCase(expected, "100-continue"))
    refusal_ = Refusal{417, "the expectation is unknown"};
  for (std::string* const done : {&target_, &scheme_}) std::string().swap(*done);
  authority_.reset();
  if (refusal_) return *refusal_;
  return std::move(request_);
}

}  // namespace akin::server
