// One HTTP/2 connection without its socket: bytes of the client in, requests to a handler, bytes
// for the client out. Frames and HPACK are nghttp2's; what may be asked of one connection is
// bounded here:
//
// - streams: kMaxStreams at once; more are refused,
// - requests that are begun and reset (rapid resets, CVE-2023-44487, also those that a client makes
//   the server reset, CVE-2025-8671): a rate of its own; beyond it the connection ends,
// - frames that ask for nothing, header blocks: frame_meter.h,
// - bytes of requests: windows that open as the handler consumes; nothing is kept here,
// - bytes of answers: Fill gives no more than is asked for, and `is_clogged` says when nothing more
//   should be received before what is queued is sent. What is queued of answers is their handlers'.
// - an answer that its client does not take ends with write_timeout.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http2/frame_meter.h"
#include "server/http2/handler.h"
#include "server/http2/rate_limit.h"
#include "server/http2/stream.h"

struct nghttp2_session;

namespace akin::server {

class Http2Session {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  static constexpr uint32_t kMaxStreams = 100;
  static constexpr double kResetsAtOnce = 500, kResetsPerSecond = 100;
  // What a stream holds beside its head and what nobody has consumed: what nghttp2, this and the
  // handler keep of it, and the few bytes that MessageBudget leaves free. Measured: 6.7 KiB.
  static constexpr size_t kStreamBytes = size_t{8} << 10;
  // A client that keeps its stream waiting for longer is idle, as far as room is concerned.
  static constexpr std::chrono::seconds kPatience{1};
  // Of a stream's request that nobody has consumed: at first (RFC 9113's own), and at most, when
  // much has been; and of all streams'.
  static constexpr size_t kWindowBytes = 65'535;
  static constexpr size_t kMaxWindowBytes = size_t{512} << 10;
  static constexpr size_t kConnectionWindowBytes = size_t{1} << 20;
  // While streams are open: without a word of the client until it is asked for one (PING), and from
  // then until it is given up.
  static constexpr std::chrono::seconds kSilence{60}, kPingTime{20};
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
  ~Http2Session();
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
  // Takes no new request; ends with the last answer.
  void Drain();
  // Says so to the client, with the streams that are left; what is theirs is given up.
  void End(Http2Error code);
  // The client has gone, or the server ends (`left` is false): all that is left of it is given up.
  void Drop(bool left = false);

  // Nothing is left to send, and nothing more wanted.
  bool is_over() const;
  bool is_clogged() const;
  size_t num_streams() const { return streams_.size() + answered_.size(); }
  // Those of them whose answers are awaited (Http2Responder::SetResting).
  size_t num_answering() const { return num_streams() + lost_.size() - num_resting_; }
  const FrameMeter& meter() const { return meter_; }
  // What there was too much of, when the connection was ended for it.
  std::string_view excess() const { return excess_; }
  int64_t num_timed_out() const { return num_timed_out_; }
  int64_t num_left() const { return num_left_; }  // Requests that were reset before their answer.
  // Why what the client sent is no HTTP/2, when the connection was ended for it.
  const std::string& malformed() const { return malformed_; }
  // Requests for which there was no room among the streams of all connections.
  int64_t num_streams_refused() const { return num_streams_refused_; }
  int64_t num_refused() const { return num_refused_; }  // That were none, and excesses.

 private:
  friend class Http2Stream;
  // Maps, so that a stream goes from one to the other without memory, which may have run out.
  using Streams = std::map<int32_t, std::unique_ptr<Http2Stream>>;
  struct Callbacks;

  // For its streams:
  void SubmitHead(int32_t id, int status, const std::vector<HttpHeader>& headers, bool ends);
  void SubmitTrailers(int32_t id, const std::vector<HttpHeader>& trailers);
  void SubmitReset(int32_t id, Http2Error code);
  void Resume(int32_t id);
  // `of_connection`: what of them its window lacks; `new_window`: 0: as it is.
  void Consume(int32_t id, size_t bytes, size_t of_connection, size_t new_window);
  // What nghttp2 says to what is to be sent. Where it has no memory, the client would wait for
  // ever: the connection ends; else the stream, if the answer cannot be sent.
  void Check(int result);
  void CheckAnswer(int32_t id, int result);

  void Wake();
  Http2Stream* Find(int32_t id);
  void EndForExcess(std::string_view what);
  // Without a handler.
  void Refuse(Http2Stream& stream, int status, std::string_view text);
  // Whether there is room for a stream, whose head is whole.
  bool Admit(Http2Stream& stream);
  void RefuseForRoom(Http2Stream& stream);
  // Streams whose clients are waited for have less room.
  void SweepStream(Http2Stream& stream, TimePoint now);
  // What nobody has consumed yet holds up its own stream, not the others: the connection's window
  // opens at once, as long as there is room in the budget for what is kept.
  void OpenConnection(Http2Stream& stream);
  // Ends a connection whose client is silent, after it was asked.
  void LookForSilence(TimePoint now);
  // Hands the request to whom it is for.
  void Begin(Http2Stream& stream);
  void RequestEnded(Http2Stream& stream);
  void AnswerSent(Http2Stream& stream);
  void Closed(Http2Stream& stream, bool by_error);
  // Runs `call` for the stream's handler, whose exception costs its stream.
  template <typename Call>
  void Guarded(Http2Stream& stream, Call call);
  // Tells handlers what has ended: apart from nghttp2's calls, in which they may do anything.
  void TellGone();
  void AfterCall();

  Http2Handler& handler_;
  const Options options_;
  nghttp2_session* session_ = nullptr;
  FrameMeter meter_;
  RateLimit resets_{kResetsAtOnce, kResetsPerSecond};
  StreamBudget::Floor floor_;  // Outlives the streams.
  Streams streams_;
  // Answered before their requests had ended, and when. What still comes of them is thrown away for
  // a moment: clients that are told at once to stop (curl 7.88) take the answer for an error.
  std::map<int32_t, TimePoint> unread_;
  // Over, and their handlers not yet told: now, or when what is being written is.
  Streams lost_, answered_;
  size_t num_resting_ = 0;  // Of all of these.
  Http2Stream::Sent sent_;
  TimePoint now_{};             // Of the last Receive or Sweep.
  std::string* out_ = nullptr;  // While Fill runs,
  size_t most_ = 0;             // likewise.
  bool is_writing_ = false;     // From a Fill that gave something to its Written.
  bool is_draining_ = false;
  bool is_last_told_ = false;   // Which stream is the last, when draining.
  bool is_ended_ = false;       // The client is told so.
  bool is_broken_ = false;      // Nothing can be told any more.
  TimePoint heard_{};           // When the client last said something.
  bool was_pinged_ = false;     // Since.
  bool lacked_memory_ = false;  // A call of nghttp2.
  std::string_view excess_;
  std::string malformed_;
  int64_t num_timed_out_ = 0, num_left_ = 0, num_refused_ = 0, num_streams_refused_ = 0;
};

}  // namespace akin::server
