// The head of an HTTP/1.1 request (RFC 9112): request line and headers, read strictly.
//
// Two readers that disagree about where a request ends are how one client's bytes become another
// one's request. So whatever can be read in two ways is refused and the connection closed: both
// Content-Length and Transfer-Encoding, a length given twice, with a sign or in hexadecimal, a bare
// CR or LF, folded headers, `chunked` that is not last, blanks before the colon, a second Host.
// Parsers made to accept what is out there (Beast's among them) are lenient in just these places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "server/http/message.h"

namespace akin::server {

inline constexpr size_t kMaxHeadBytes = size_t{16} << 10;
inline constexpr size_t kMaxRequestLineBytes = size_t{8} << 10;
inline constexpr size_t kMaxHeaders = 100;

// What is wrong with bytes that claim to be a request; the connection ends with the answer.
struct Refusal {
  int status = 400;
  std::string_view reason;
};

struct Head {
  HttpRequest request;  // Without its body.
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

// Where the head that `bytes` begins with ends, behind its empty line; nothing while that has not
// arrived. A refusal is known as soon as its bytes are there.
std::variant<std::optional<size_t>, Refusal> FindHeadEnd(std::string_view bytes);

// `bytes` is one whole head, its empty line included.
std::variant<Head, Refusal> ParseHead(std::string_view bytes);

}  // namespace akin::server
