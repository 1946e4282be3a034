// A request that has arrived whole, and the answer to it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace akin::server {

struct HttpHeader {
  std::string name;  // Lower case.
  std::string value;
};

struct HttpRequest {
  std::string method;
  std::string path;   // As sent, without the query; nothing is decoded.
  std::string query;  // Behind the question mark.
  std::vector<HttpHeader> headers;
  std::string body;

  // The first value under `name` (lower case); empty without one.
  std::string_view header(std::string_view name) const {
    for (const HttpHeader& header : headers) {
      if (header.name == name) return header.value;
    }
    return {};
  }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<HttpHeader> headers;
  bool close = false;  // The connection ends with this answer.
  // What counts the answer until it is written, or its client gone.
  std::shared_ptr<const void> until_written = nullptr;
};

// "Not Found"; "Unknown" for a status without a phrase.
std::string_view ReasonPhrase(int status);

// As HTTP has it: "Sun, 06 Nov 1994 08:49:37 GMT".
const std::string& HttpDate();

// The headers of an answer in any version of HTTP, each as `call(name, value)`.
template <typename Call>
void ForEachHeader(const HttpResponse& response, Call call) {
  call("server", "akin");
  call("date", HttpDate());
  if (!response.body.empty()) call("content-type", response.content_type);
  if (response.status != 204) call("content-length", std::to_string(response.body.size()));
  for (const HttpHeader& header : response.headers) call(header.name, header.value);
}

// The bytes of the status line and the headers; the body follows. For a HEAD request they are all.
std::string SerializeHead(const HttpResponse& response, bool keep_alive);

}  // namespace akin::server
