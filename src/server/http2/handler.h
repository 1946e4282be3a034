// What answers requests that come by HTTP/2 (RFC 9113), apart from how they come. All of it is of
// the event loop's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/budgets/link_rate.h"
#include "server/budgets/message_budget.h"
#include "server/http/message.h"

namespace akin::server {

// RFC 9113, section 7; of what we say ourselves.
enum class Http2Error : uint32_t {
  kNoError = 0x0,
  kProtocolError = 0x1,
  kInternalError = 0x2,
  kRefusedStream = 0x7,
  kCancel = 0x8,
  kEnhanceYourCalm = 0xb,
};

// The answering side of one stream. Valid until its handler's OnGone; what is called after the end
// of the answer has no effect.
class Http2Responder {
 public:
  virtual ~Http2Responder() = default;

  // Once and first; `ends`: nothing follows.
  virtual void SendHead(int status, std::vector<HttpHeader> headers, bool ends) = 0;
  // In order. `sent` runs when the last of the bytes has been handed to the client's socket, which
  // waits for the client's windows; never, if the stream ends before.
  virtual void SendData(std::string bytes, bool ends, std::function<void()> sent) = 0;
  // Ends the answer.
  virtual void SendTrailers(std::vector<HttpHeader> trailers) = 0;
  virtual void Reset(Http2Error code) = 0;
  // Room for as many more bytes of the request: what OnData has brought and is no longer needed in
  // the window. A handler that does not call it stops its client.
  virtual void Consume(size_t bytes) = 0;
  // Whether nothing is owed to the client until something else happens: of a stream of news that
  // has told them, or a request that has not come whole. It keeps nobody from resting. Not so at
  // first, and no longer when the next of the answer is sent.
  virtual void SetResting(bool rests) = 0;
  // Nothing of the request's head is kept any more, or soon: it no longer counts.
  virtual void LetGoOfHead() {}
  // Who asks needs no key: such requests, which anybody can hold for long, have less room.
  virtual void SetKeyless() {}
  // Of the connection, for what comes of the request. It outlives the handler's OnGone.
  virtual MessageBudget::Floor* floor() { return nullptr; }
  // The connection, as far as it is fast or slow. It outlives the handler's OnGone.
  virtual const Link& link() const = 0;
};

// The receiving side of one stream; it lives until OnGone has returned.
class Http2StreamHandler {
 public:
  virtual ~Http2StreamHandler() = default;

  // A piece of the body, as it comes.
  virtual void OnData(std::string_view bytes) = 0;
  // The request has ended.
  virtual void OnEnd() = 0;
  // The stream is over, whoever ended it: answered and taken, reset, or its connection lost. Last
  // and exactly once. `answered`: the whole answer has been handed to the client's socket.
  virtual void OnGone(bool answered) = 0;
  // A few times a second.
  virtual void Sweep(std::chrono::steady_clock::time_point now) = 0;
  // Whether what it has not consumed waits for room that others hold.
  virtual bool is_waiting_for_room() const { return false; }
  // Refuses what waits so, and keeps nothing of it: what has come of it takes too much of its
  // connection's window.
  virtual void RefuseForRoom() {}
};

// Whom a listener asks for each request.
class Http2Handler {
 public:
  virtual ~Http2Handler() = default;

  // The head of a request, its pseudo-headers in method, path and query; `ends`: it has no body
  // (OnEnd is not called). `responder` may be used at once.
  virtual std::unique_ptr<Http2StreamHandler> Begin(HttpRequest head, std::string peer, bool ends,
                                                    Http2Responder& responder) = 0;
  // Answers a request whose head is refused, or for which there was no memory, in the words of
  // `status` of HTTP. `with_body`: it was not HEAD.
  virtual void Refuse(bool with_body, int status, std::string_view reason,
                      Http2Responder& responder);
  // Whose request it is whose head has come, whole and right or not: this one's, or another's that
  // outlives its streams. Asked once and first, because the head is given away with Begin.
  virtual Http2Handler& For(const HttpRequest& head) {
    (void)head;
    return *this;
  }
};

}  // namespace akin::server
