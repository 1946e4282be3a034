#include "server/http2/handler.h"

#include <utility>

#include "server/text.h"

namespace akin::server {

void Http2Handler::Refuse(bool with_body, int status, std::string_view reason,
                          Http2Responder& responder) {
  HttpResponse response{
      .status = status, .content_type = "text/plain", .body = StrCat(reason, '\n')};
  std::vector<HttpHeader> headers;
  ForEachHeader(response, [&](std::string_view name, std::string_view value) {
    headers.push_back({std::string(name), std::string(value)});
  });
  responder.SendHead(status, std::move(headers), !with_body);
  if (with_body) responder.SendData(std::move(response.body), true, nullptr);
}

}  // namespace akin::server
