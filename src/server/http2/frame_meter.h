// What HTTP/2's frames cost their reader, counted from their heads before anybody looks into them.
//
// Most of what a client can send costs it nothing and asks for nothing: pings, settings,
// priorities, windows, empty frames, a header block that never ends. Each is harmless alone, so the
// protocol bounds none of them, and libraries have learnt one by one, and differently from version
// to version, which of them to count (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316). Here
// they are counted in one place: such a frame takes one from a rate, a request that begins and what
// is sent to the client give some back, for honest clients acknowledge, ping and open windows in
// proportion to what they ask and get.
//
// Frames of data with a few bytes are between: a client that streams short texts sends one for
// each, as many as its windows allow before the first is answered, and may go on for hours. What is
// more of them than answers come back is slowed down, not ended: Pause says for how long nothing is
// to be read.
//
// The frames themselves are nghttp2's: what is wrong with them it says. Pure logic.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "server/http2/rate_limit.h"

namespace akin::server {

class FrameMeter {
 public:
  using TimePoint = RateLimit::TimePoint;

  // One header block with its continuations, as sent. Four times what a request's headers may be,
  // so that most that are too large get an answer; what is beyond ends the connection.
  static constexpr size_t kMaxBlockBytes = size_t{64} << 10;
  static constexpr int kMaxContinuations = 32;
  static constexpr double kFramesAtOnce = 10'000, kFramesPerSecond = 500;
  // What is earned by a request, and by each frame of data that is sent.
  static constexpr double kPerRequest = 20, kPerDataFrame = 4;
  // Frames of data with fewer bytes, but for the last of a request.
  static constexpr size_t kSmallBytes = 32;
  static constexpr double kSmallAtOnce = 5'000, kSmallPerSecond = 2'000;
  // By a request (whose end may have a frame of its own), and by each piece of an answer.
  static constexpr double kSmallPerRequest = 2, kSmallPerPiece = 2;

  // What it is that there is too much of; nothing: go on. `bytes` follow those of the last call.
  std::optional<std::string_view> Feed(std::string_view bytes, TimePoint now);
  void RequestBegan() {
    frames_.Give(kPerRequest);
    small_.Give(kSmallPerRequest);
  }
  // A frame, and so many pieces of answers with their ends in it.
  void DataSent(size_t pieces) {
    frames_.Give(kPerDataFrame);
    small_.Give(kSmallPerPiece * static_cast<double>(pieces));
  }
  // For how long nothing is to be read; 0: read on.
  std::chrono::milliseconds Pause(TimePoint now) const { return small_.Wait(now); }

  // The preface and the client's first settings have arrived.
  bool has_begun() const { return has_begun_; }
  // Since when a header block is awaited whose end has not come.
  std::optional<TimePoint> block_since() const { return block_since_; }
  int64_t num_pings() const { return num_pings_; }

 private:
  std::optional<std::string_view> TakeHead(TimePoint now);
  void TakeEnd();

  size_t preface_left_ = 24;
  uint8_t head_[9] = {};
  size_t head_size_ = 0;     // Of the frame's head: what has arrived.
  size_t payload_left_ = 0;  // Of the frame.
  bool in_payload_ = false;
  bool awaits_padding_ = false;  // Its length, of a frame of data that is not the last.
  bool has_begun_ = false;
  size_t block_bytes_ = 0;
  int continuations_ = 0;
  std::optional<TimePoint> block_since_;
  int64_t num_pings_ = 0;
  RateLimit frames_{kFramesAtOnce, kFramesPerSecond};
  RateLimit small_{kSmallAtOnce, kSmallPerSecond};
};

}  // namespace akin::server
