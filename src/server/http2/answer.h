// What is still to be sent of one stream's answer: pieces of data in their order, then trailers.
//
// A piece is queued (Add), taken into a write (Take) and written (Written); what is to be told of
// it is told then, and not at all if the stream ends before. Pure logic.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/http/message.h"

namespace akin::server {

class Http2Answer {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // `sent`, if there is one, runs in Written.
  void Add(std::string bytes, std::function<void()> sent);
  // Nothing follows what is queued but `trailers`, if there are some.
  void End(std::optional<std::vector<HttpHeader>> trailers = std::nullopt);
  // Nothing is queued, and nothing follows by way of data: trailers go by themselves.
  void EndWithoutData();

  // How many bytes may be sent now, at most `room`, and whether they are the last and the trailers
  // are next; nothing: none yet.
  struct Next {
    size_t bytes = 0;
    bool is_last = false;
    const std::vector<HttpHeader>* trailers = nullptr;  // Of the last, if there are any.
  };
  std::optional<Next> Peek(size_t room) const;
  // Moves so many of them behind `out`. -> how many pieces have ended with them.
  size_t Take(size_t bytes, std::string& out);
  // What has been taken is in the hands of the socket.
  void Written();

  bool has_data() const { return !pieces_.empty(); }  // That is not taken.
  bool has_ended() const { return has_ended_; }
  uint64_t bytes_taken() const { return bytes_taken_; }
  // Whether the client has left a piece that it may take untaken since `longest` before `now`. To
  // be asked again and again, for the time is measured from question to question.
  bool IsStuck(TimePoint now, std::chrono::milliseconds longest);

 private:
  struct Piece {
    std::string bytes;
    size_t at = 0;  // What is before has been taken.
    std::function<void()> sent;
  };

  // Bytes that are queued, counted no further than to `most`.
  size_t QueuedBytes(size_t most) const;

  std::deque<Piece> pieces_;
  std::vector<std::function<void()>> taken_;  // What is to be told of pieces that are.
  std::optional<std::vector<HttpHeader>> trailers_;
  bool has_ended_ = false;
  bool ends_without_data_ = false;
  uint64_t bytes_taken_ = 0, num_taken_ = 0;  // And pieces.
  uint64_t stuck_at_ = 0;  // num_taken_ when IsStuck was last asked, and since when.
  std::optional<TimePoint> stuck_since_;
};

}  // namespace akin::server
