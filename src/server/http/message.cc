#include "server/http/message.h"

#include <ctime>

#include "server/text.h"

namespace akin::server {

// Written once a second and thread.
const std::string& HttpDate() {
  thread_local std::time_t written_at = 0;
  thread_local std::string date;
  const std::time_t now = std::time(nullptr);
  if (now != written_at) {
    std::tm parts = {};
    gmtime_r(&now, &parts);
    char buffer[64];
    date.assign(buffer, std::strftime(buffer, sizeof buffer, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    written_at = now;
  }
  return date;
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 424: return "Failed Dependency";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

std::string SerializeHead(const HttpResponse& response, bool keep_alive) {
  std::string out =
      StrCat("HTTP/1.1 ", response.status, ' ', ReasonPhrase(response.status), "\r\n");
  ForEachHeader(response, [&](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  });
  if (!keep_alive) out += "connection: close\r\n";
  out += "\r\n";
  return out;
}

}  // namespace akin::server
