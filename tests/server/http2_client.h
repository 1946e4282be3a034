// The other end of a session: nghttp2's client, and frames by hand.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace akin::server {

using Fields = std::vector<std::pair<std::string, std::string>>;

// A frame of RFC 9113, section 4.1.
std::string Frame(int type, int flags, int32_t stream, std::string_view payload);
inline const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, {});
// Fields as literals that are not put into the table.
std::string FieldBlock(const Fields& fields);

class Http2Client {
 public:
  struct Answer {
    Fields head, trailers;
    std::string body;
    bool has_ended = false;  // With the server's last frame.
    bool is_closed = false;
    uint32_t error = 0;  // Of a stream that is closed.

    std::string status() const { return head.empty() ? std::string() : head[0].second; }
  };

  // `takes_data`: windows open as data comes.
  explicit Http2Client(bool takes_data = true);
  ~Http2Client();
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  static Fields Post(std::string_view path);

  // -> the stream.
  int32_t Ask(const Fields& head, std::string body = {}, const Fields& trailers = {});
  // A request whose body goes on: nothing ends it.
  int32_t Begin(const Fields& head, std::string body = {});
  void More(int32_t stream, std::string bytes, bool ends);
  void Reset(int32_t stream);

  // What it has to say.
  std::string Take();
  // What it is told. False: that is no HTTP/2.
  bool Give(std::string_view bytes);

  std::map<int32_t, Answer> answers;
  int goaways = 0;
  uint32_t goaway_error = 0;
  int32_t last_stream = -1;  // Of the last GOAWAY.
  size_t data_frames = 0;

 private:
  struct Body {
    std::string bytes;
    Fields trailers;
    bool ends = false;
    size_t at = 0;  // What is before has been sent.
  };
  struct Callbacks;

  int32_t Submit(const Fields& head, Body body);

  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Body> bodies_;
};

}  // namespace akin::server
