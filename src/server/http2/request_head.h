// The head of a request as HTTP/2 brings it (RFC 9113, 8.3), field by field, held to what head.h
// asks of HTTP/1.1.
//
// nghttp2 has looked at each field before: names in lower case, no control characters,
// pseudo-headers first and once, no Connection or Transfer-Encoding, one Content-Length. What is
// left is size, and what only the whole head shows.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "server/http/head.h"
#include "server/http/message.h"

namespace akin::server {

class RequestHead {
 public:
  // False: too much (Finish says so); what follows need not be added.
  bool Add(std::string_view name, std::string_view value);
  // As wrong as nghttp2 says that a field is.
  void Refuse(Refusal refusal) {
    if (!refusal_) refusal_ = refusal;
  }
  // What has been read, until Finish; of a head that is refused its content type is among it, too.
  const HttpRequest& request() const { return request_; }
  size_t bytes() const { return bytes_; }
  // Once, behind the last field. `host` is :authority's, whatever it came as.
  std::variant<HttpRequest, Refusal> Finish();

 private:
  std::optional<Refusal> ReadTarget();
  std::optional<Refusal> ReadHost();

  HttpRequest request_;
  std::string target_, scheme_;
  std::optional<std::string> authority_;
  size_t bytes_ = 0;  // As RFC 9113, 6.5.2 counts them.
  std::optional<Refusal> refusal_;
};

}  // namespace akin::server
