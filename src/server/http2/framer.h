// nghttp2's session as C++ has it: what comes in are calls of Events, what goes out is submitted
// and then filled into a buffer.
//
// - While Receive or Fill runs, Events may call everything here but these two: nghttp2 queues it.
// - No exception passes through nghttp2: what Events throw (memory that ran out) breaks the framer.
// - Broken it says nothing and does nothing any more; its owner drops the connection.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http2/answer.h"
#include "server/http2/handler.h"

struct nghttp2_session;

namespace akin::server {

class Http2Framer {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    // In Receive. A request begins.
    virtual void OnRequest(int32_t id) = 0;
    // A field of a head or of trailers.
    virtual void OnField(int32_t id, std::string_view name, std::string_view value) = 0;
    // One that nghttp2 would leave out and go on.
    virtual void OnMalformedField(int32_t id) = 0;
    virtual void OnData(int32_t id, std::string_view bytes) = 0;
    // A head, trailers or a frame of data is whole; `ends`: it was the request's last.
    virtual void OnFrame(int32_t id, bool ends) = 0;
    // In Receive and in Fill.
    virtual void OnClosed(int32_t id, bool by_error) = 0;
    // What the client sent is no HTTP/2; it is told so, if it can be.
    virtual void OnMalformed(std::string_view why) = 0;
    // In Fill. Null: there is none any more. It stays until OnClosed or OnEndSent.
    virtual Http2Answer* AnswerOf(int32_t id) = 0;
    virtual void OnDataSent(size_t pieces) = 0;  // A frame of it, which ends so many.
    virtual void OnEndSent(int32_t id) = 0;
  };

  struct Options {
    uint32_t max_streams = 0;  // At once; more are refused.
    // What clients are told. A stream whose head or trailers have more than four times as much is
    // reset, for a few bytes may name a long field again and again, which costs its reader
    // thousands of times as much.
    size_t max_head_bytes = 0;
    size_t connection_window_bytes = 0;  // Of requests.
    // Resets that nghttp2 lets pass before it ends the connection itself, where it has a bound.
    double resets_at_once = 0, resets_per_second = 0;
    const void* memory = nullptr;  // An nghttp2_mem, of tests.
    std::function<void()> wake;    // Something is to be sent. Of any call but Fill.
  };

  // `events` outlives it.
  Http2Framer(Events& events, Options options);
  ~Http2Framer();
  Http2Framer(const Http2Framer&) = delete;
  Http2Framer& operator=(const Http2Framer&) = delete;

  void Receive(std::string_view bytes);
  // Appends what is to be sent until `out` has about `most` bytes.
  void Fill(std::string& out, size_t most);

  // Of one stream; where there is none, nothing happens. An answer that nghttp2 refuses ends its
  // stream. These two may throw for want of memory.
  void SubmitHead(int32_t id, int status, const std::vector<HttpHeader>& headers, bool ends);
  void SubmitTrailers(int32_t id, const std::vector<HttpHeader>& trailers);
  void SubmitReset(int32_t id, Http2Error code);
  // Its answer has data again.
  void Resume(int32_t id);
  // So many more bytes of the request may come.
  void OpenWindow(int32_t id, size_t bytes);
  void OpenConnectionWindow(size_t bytes);
  void SetWindow(int32_t id, size_t bytes);
  // What the client may still send, of all streams; 0 or less: nothing.
  int32_t connection_window() const;

  // Of the connection.
  void SubmitPing();
  // No more streams, in a while; then: none after those that are there.
  void SubmitShutdownNotice();
  void SubmitLastStream();
  // The last word.
  void Terminate(Http2Error code);
  void Break() { is_broken_ = true; }

  bool is_broken() const { return is_broken_; }
  bool wants_read() const;
  bool wants_write() const;
  // So much waits to be sent that nothing more should be received.
  bool is_clogged() const;
  void Wake() const;

 private:
  struct Callbacks;

  // One more field of a block.
  bool IsTooMuch(size_t field_bytes);
  // What nghttp2 says to what is to be sent. Where it has no memory, the client would wait for
  // ever: the connection ends; else the stream, if the answer cannot be sent.
  void Check(int result);
  void CheckAnswer(int32_t id, int result);

  Events& events_;
  const Options options_;
  nghttp2_session* session_ = nullptr;
  std::string* out_ = nullptr;  // While Fill runs,
  size_t most_ = 0;             // likewise.
  size_t block_bytes_ = 0;      // Decoded, of the block of fields that comes.
  bool is_broken_ = false;
  bool lacked_memory_ = false;  // A call of nghttp2.
};

}  // namespace akin::server
