// One HTTP/2 connection without its socket: bytes of the client in, requests to a handler, bytes
// for the client out. Frames and HPACK are nghttp2's (framer.h), a stream's own affairs the
// stream's (stream.h); here it is decided what happens. What may be asked of one connection is
// bounded:
//
// - streams: kMaxStreams at once; more are refused,
// - requests that are begun and reset (rapid resets, CVE-2023-44487, also those that a client makes
//   the server reset, CVE-2025-8671): a rate of its own; beyond it the connection ends,
// - frames that ask for nothing or little, header blocks: frame_meter.h,
// - bytes of requests: windows that open as the handler consumes; nothing is kept here,
// - bytes of answers: Fill gives no more than is asked for, and `is_clogged` says when nothing more
//   should be received before what is queued is sent. What is queued of answers is their handlers'.
// - an answer that its client does not take ends with write_timeout.
//
// It ends in one of three ways: drained (Drain, then the last answer), ended with a word to the
// client (End), dropped without one (Drop). Each leads to the next and never back, and behind the
// last two no stream is open.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "server/http2/frame_meter.h"
#include "server/http2/framer.h"
#include "server/http2/handler.h"
#include "server/http2/rate_limit.h"
#include "server/http2/silence.h"
#include "server/http2/stream.h"
#include "server/http2/streams.h"

namespace akin::server {

class Http2Session final : private Http2Framer::Events {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  static constexpr uint32_t kMaxStreams = 100;
  static constexpr double kResetsAtOnce = 500, kResetsPerSecond = 100;
  // Of all streams' requests that nobody has consumed and the budget has no room for.
  static constexpr size_t kConnectionWindowBytes = size_t{1} << 20;
  // Of that, what may be held by streams that wait for room. Far less than half: nghttp2 tells the
  // client of what is consumed when it is half of the window, which the others could not consume.
  static constexpr size_t kMostWaitingBytes = kConnectionWindowBytes / 4;
  // From an answer before its request's end to the reset that stops the request.
  static constexpr std::chrono::milliseconds kUnreadTime{500};

  struct Options {
    std::string peer;
    std::chrono::milliseconds write_timeout{30'000};
    StreamBudget* streams = nullptr;  // What streams of all sessions hold; outlives it.
    const void* memory = nullptr;     // An nghttp2_mem, of tests.
    std::function<void()> wake;       // Something is to be sent. Of any call but Fill.
  };

  // `handler` outlives it.
  Http2Session(Http2Handler& handler, Options options);
  ~Http2Session() override;
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // What the client has sent. False: nothing more is wanted of it; what Fill gives is still its.
  bool Receive(std::string_view bytes, TimePoint now);
  // Appends what is to be sent until `out` has about `most` bytes; nothing: there is nothing now.
  void Fill(std::string& out, size_t most);
  // What Fill has given is in the hands of the socket.
  void Written();
  // A few times a second.
  void Sweep(TimePoint now);
  // Nobody has read what the client sends for so long before now.
  void HeldUp(TimePoint::duration time, TimePoint now) { context_.link.HeldUp(time, now); }
  // Takes no new request; ends with the last answer.
  void Drain();
  // Says so to the client, with the streams that are left; what is theirs is given up.
  void End(Http2Error code);
  // The client has gone, or the server ends (`left` is false): all that is left of it is given up.
  void Drop(bool left = false);

  // Nothing is left to send, and nothing more wanted.
  bool is_over() const;
  bool is_clogged() const { return framer_.is_clogged(); }
  size_t num_streams() const { return streams_.size(); }
  // Those of them whose answers are awaited (Http2Responder::SetResting).
  size_t num_answering() const {
    return streams_.size() + streams_.num_lost() - context_.num_resting;
  }
  // Anything for which a key may be needed.
  bool has_asked() const { return context_.has_asked; }
  const FrameMeter& meter() const { return meter_; }
  // What there was too much of, when the connection was ended for it.
  std::string_view excess() const { return excess_; }
  int64_t num_timed_out() const { return num_timed_out_; }
  int64_t num_left() const { return num_left_; }  // Requests that were reset before their answer.
  // Why what the client sent is no HTTP/2, when the connection was ended for it.
  const std::string& malformed() const { return malformed_; }
  // Requests for which there was no room among the streams of all connections.
  int64_t num_streams_refused() const { return context_.num_refused; }
  int64_t num_refused() const { return num_refused_; }  // That were none, and excesses.

 private:
  enum class Phase { kOpen, kDraining, kLastStreamTold, kEnded };

  // Http2Framer::Events:
  void OnRequest(int32_t id) override;
  void OnField(int32_t id, std::string_view name, std::string_view value) override;
  void OnMalformedField(int32_t id) override;
  void OnData(int32_t id, std::string_view bytes) override;
  void OnFrame(int32_t id, bool ends) override;
  void OnClosed(int32_t id, bool by_error) override;
  void OnMalformed(std::string_view why) override;
  Http2Answer* AnswerOf(int32_t id) override;
  void OnDataSent(size_t pieces) override { meter_.DataSent(pieces); }
  void OnEndSent(int32_t id) override;

  // Hands the request to whom it is for.
  void Begin(Http2Stream& stream);
  // Without a handler.
  void Refuse(Http2Stream& stream, int status, std::string_view text);
  // Runs `call` for the stream's handler, whose exception costs its stream.
  template <typename Call>
  void Guarded(Http2Stream& stream, Call call);
  void Close(Http2Stream& stream, bool by_error);
  // There is too much of something: AfterCall ends the connection.
  void Exceed(std::string_view what);

  // Brings to the link whether the client can send, and is read.
  void LookAtLink();
  // Refuses who waits for room, most bytes first, while these keep the connection's window from
  // those who have it.
  void KeepWindowOpen();
  // The ends of those that have waited too long, or that stand in the way of others.
  void SweepStream(Http2Stream& stream, TimePoint now);
  void SweepUnread(TimePoint now);
  void SweepSilence(TimePoint now);

  // Outside of nghttp2's calls: what came up in them.
  void AfterCall();
  void TellGone() { streams_.TellGone(!is_writing_); }
  bool is_draining() const {
    return phase_ == Phase::kDraining || phase_ == Phase::kLastStreamTold;
  }
  // Nothing is received any more.
  bool has_ended() const { return phase_ == Phase::kEnded || framer_.is_broken(); }

  Http2Handler& handler_;
  const Options options_;
  Http2Framer framer_;
  Http2StreamContext context_{framer_};
  StreamBudget::Floor floor_;
  Http2Streams streams_;  // Behind what they look at.
  FrameMeter meter_;
  RateLimit resets_{kResetsAtOnce, kResetsPerSecond};
  Silence silence_;
  // Answered before their requests had ended, and when. What still comes of them is thrown away for
  // a moment: clients that are told at once to stop (curl 7.88) take the answer for an error.
  std::map<int32_t, TimePoint> unread_;
  TimePoint now_{};  // Of the last Receive or Sweep.
  Phase phase_ = Phase::kOpen;
  bool is_writing_ = false;  // From a Fill that gave something to its Written.
  std::string_view excess_;
  std::string malformed_;
  int64_t num_timed_out_ = 0, num_left_ = 0, num_refused_ = 0;
};

}  // namespace akin::server
