#include "server/http/head.h"

#include <algorithm>
#include <charconv>

#include "server/http/syntax.h"
#include "server/text.h"

namespace akin::server {
namespace {

constexpr size_t kMaxLengthDigits = 15;  // A petabyte; nothing overflows.

using MaybeRefusal = std::optional<Refusal>;

MaybeRefusal ParseVersion(std::string_view version, Head& head) {
  if (version == "HTTP/1.1") return {};
  if (version == "HTTP/1.0") {
    head.keep_alive = false;
    return {};
  }
  const bool has_form = version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' &&
                        version[5] >= '0' && version[5] <= '9' && version[7] >= '0' &&
                        version[7] <= '9';
  if (has_form) return Refusal{505, "this server speaks HTTP/1.1 and HTTP/2"};
  return Refusal{400, "the request line does not end with an HTTP version"};
}

// "/path?query", "http://host/path?query" or "*".
MaybeRefusal ParseTarget(std::string_view target, HttpRequest& request) {
  if (!IsVisible(target)) return Refusal{400, "the request target is malformed"};
  bool is_absolute = false;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    is_absolute = true;
    target.remove_prefix(scheme.size());
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    if (!IsAuthority(target.substr(0, end)))
      return Refusal{400, "the host of the request target is malformed"};
    target.remove_prefix(end);
    break;
  }
  // Of an absolute one the path may be missing.
  if (is_absolute && (target.empty() || target[0] == '?')) {
    request.path = "/";
    if (!target.empty()) request.query = target.substr(1);
    return {};
  }
  if (target[0] != '/' && target != "*") return Refusal{400, "the request target is no path"};
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
  return {};
}

MaybeRefusal ParseRequestLine(std::string_view line, Head& head) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return Refusal{400, "the request line has not three parts"};
  }
  const std::string_view method = line.substr(0, first);
  if (!IsToken(method)) return Refusal{400, "the method is malformed"};
  head.request.method = method;
  if (const auto refusal = ParseTarget(line.substr(first + 1, last - first - 1), head.request)) {
    return refusal;
  }
  return ParseVersion(line.substr(last + 1), head);
}

MaybeRefusal ParseHeader(std::string_view line, HttpRequest& request) {
  if (line[0] == ' ' || line[0] == '\t') return Refusal{400, "a header is folded"};
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return Refusal{400, "a header has no colon"};
  const std::string_view name = line.substr(0, colon);
  if (!IsToken(name)) return Refusal{400, "a header's name is malformed"};
  const std::string_view value = Trimmed(line.substr(colon + 1));
  if (!IsFieldValue(value)) return Refusal{400, "a header's value has control characters"};
  if (request.headers.size() == kMaxHeaders) return Refusal{431, "too many headers"};
  request.headers.push_back({AsciiLower(name), std::string(value)});
  return {};
}

MaybeRefusal ReadContentLength(std::string_view value, Head& head) {
  if (head.content_length) return Refusal{400, "content-length is given twice"};
  if (value.empty() || value.size() > kMaxLengthDigits) {
    return Refusal{value.empty() ? 400 : 413, "content-length is no length"};
  }
  uint64_t length = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), length);
  if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) {
    return Refusal{400, "content-length is no length"};
  }
  head.content_length = length;
  return {};
}

MaybeRefusal ReadTransferEncoding(std::string_view value, Head& head) {
  if (head.chunked) return Refusal{400, "transfer-encoding is given twice"};
  if (EqualIgnoringCase(value, "chunked")) {
    head.chunked = true;
    return {};
  }
  const std::string lower = AsciiLower(value);
  const bool names_chunked = lower.find("chunked") != std::string::npos;
  if (names_chunked && !lower.ends_with("chunked")) return Refusal{400, "chunked is not last"};
  return Refusal{501, "no transfer-encoding but chunked is supported"};
}

void ReadConnection(std::string_view value, Head& head) {
  ForEachPart(value, ',', [&](std::string_view option) {
    if (EqualIgnoringCase(option, "close")) head.keep_alive = false;
  });
}

// HTTP/1.0 clients ask for what HTTP/1.1 has by default.
bool AsksToKeepAlive(const HttpRequest& request) {
  bool asks = false;
  ForEachPart(request.header("connection"), ',', [&](std::string_view option) {
    asks = asks || EqualIgnoringCase(option, "keep-alive");
  });
  return asks;
}

// What the headers say about where the request ends and what becomes of the connection.
MaybeRefusal ReadFraming(Head& head, bool is_http_1_0) {
  int hosts = 0;
  bool has_transfer_encoding = false;
  for (const HttpHeader& header : head.request.headers) {
    MaybeRefusal refusal;
    if (header.name == "content-length") refusal = ReadContentLength(header.value, head);
    if (header.name == "transfer-encoding") {
      has_transfer_encoding = true;
      refusal = ReadTransferEncoding(header.value, head);
    }
    if (header.name == "connection") ReadConnection(header.value, head);
    if (header.name == "host") ++hosts;
    if (header.name == "expect") {
      if (!EqualIgnoringCase(header.value, "100-continue")) {
        refusal = Refusal{417, "the expectation is unknown"};
      }
      head.expects_continue = true;
    }
    if (refusal) return refusal;
  }
  if (has_transfer_encoding && head.content_length) {
    return Refusal{400, "both content-length and transfer-encoding"};
  }
  if (has_transfer_encoding && is_http_1_0) return Refusal{400, "HTTP/1.0 has no chunked bodies"};
  if (hosts > 1 || (hosts == 0 && !is_http_1_0)) return Refusal{400, "not one host header"};
  return {};
}

}  // namespace

std::variant<std::optional<size_t>, Refusal> FindHeadEnd(std::string_view bytes) {
  bool line_is_empty = true, seen_line = false;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i >= kMaxHeadBytes) {
      if (!seen_line) return Refusal{414, "the request line is too long"};
      return Refusal{431, "the headers are too long"};
    }
    if (bytes[i] == '\n') return Refusal{400, "a line ends without CR"};
    if (bytes[i] != '\r') {
      line_is_empty = false;
      if (!seen_line && i >= kMaxRequestLineBytes) {
        return Refusal{414, "the request line is too long"};
      }
      continue;
    }
    if (i + 1 == bytes.size()) break;
    if (bytes[i + 1] != '\n') return Refusal{400, "a CR without LF"};
    if (line_is_empty) {
      if (seen_line) return std::optional<size_t>(i + 2);
      return Refusal{400, "an empty line before the request"};
    }
    ++i;
    line_is_empty = true;
    seen_line = true;
  }
  return std::optional<size_t>();
}

std::variant<Head, Refusal> ParseHead(std::string_view bytes) {
  Head head;
  bool first = true;
  bool is_http_1_0 = false;
  while (!bytes.empty()) {
    const size_t end = bytes.find("\r\n");
    const std::string_view line = bytes.substr(0, end);
    if (end == std::string_view::npos) return Refusal{400, "the head has no end"};
    bytes.remove_prefix(end + 2);
    if (line.empty()) break;
    const auto refusal = first ? ParseRequestLine(line, head) : ParseHeader(line, head.request);
    if (refusal) return *refusal;
    if (first) is_http_1_0 = !head.keep_alive;
    first = false;
  }
  if (first) return Refusal{400, "the request line is missing"};
  if (const auto refusal = ReadFraming(head, is_http_1_0)) return *refusal;
  if (is_http_1_0 && AsksToKeepAlive(head.request)) head.keep_alive = true;
  return head;
}

}  // namespace akin::server
