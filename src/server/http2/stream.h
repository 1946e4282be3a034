// One stream of a session: what is still to be sent of its answer, and the windows of its request.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/http2/handler.h"
#include "server/http2/request_head.h"
#include "server/http2/stream_budget.h"

namespace akin::server {

class Http2Session;

class Http2Stream final : public Http2Responder {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Sent = std::vector<std::function<void()>>;

  Http2Stream(Http2Session& session, int32_t id);

  // Http2Responder:
  void SendHead(int status, std::vector<HttpHeader> headers, bool ends) override;
  void SendData(std::string bytes, bool ends, std::function<void()> sent) override;
  void SendTrailers(std::vector<HttpHeader> trailers) override;
  void Reset(Http2Error code) override;
  void Consume(size_t bytes) override;
  void SetResting(bool rests) override;
  void LetGoOfHead() override;
  void SetKeyless() override;

  // How many bytes of the answer may be sent now, at most `room`, and whether they are the last and
  // the trailers are next; nothing: none yet.
  struct Next {
    size_t bytes = 0;
    bool is_last = false;
    const std::vector<HttpHeader>* trailers = nullptr;  // Of the last, if there are any.
  };
  std::optional<Next> PeekData(size_t room) const;
  // Moves so many of them behind `out`, and what is to be told of them behind `sent`.
  void TakeData(size_t bytes, std::string& out, Sent& sent);
  // Whether the client has left what it may take untaken since `longest` before `now`. To be asked
  // again and again, for the time is measured from question to question.
  bool IsStuck(TimePoint now, std::chrono::milliseconds longest);

  // Brings to the budget whether its client has been waited for (for the rest of the request, or to
  // take of the answer, or for ever) since kPatience before `now`. To be asked as IsStuck. False:
  // it has, and there is no room for one more of these.
  bool MayWait(TimePoint now);

  // What it is to be charged.
  size_t held_bytes() const;
  // A piece of the request has arrived, for which there will be room again when it is consumed.
  void Received(size_t bytes);
  // What of it the handler has not given back, and of that what the connection's window lacks.
  size_t unconsumed() const { return unconsumed_; }
  size_t owed() const { return owed_; }
  void Repaid() { owed_ = 0; }

  // It is over: from now on its handler's calls have no effect.
  void Close();

  int32_t id() const { return id_; }
  bool head_sent() const { return head_sent_; }
  bool takes_answer() const { return !answer_ended_ && !was_reset_; }
  bool was_reset() const { return was_reset_; }

  RequestHead head;
  std::optional<StreamBudget::Share> share;     // What it holds, of all connections' streams.
  std::unique_ptr<Http2StreamHandler> handler;  // Null: the session answers itself.
  size_t head_bytes = 0;                        // Once it has begun.
  bool has_begun = false;                       // The head is whole.
  bool client_ended = false;                    // The request is.
  bool is_refused = false;                      // For want of room.
  bool end_sent = false;  // The answer is, as far as the session is concerned.

 private:
  struct Chunk {
    std::string bytes;
    size_t at = 0;  // What is before has been sent.
    std::function<void()> sent;
  };

  // Runs what sends something; what it throws costs the stream, for a part of the answer is lost.
  template <typename Send>
  void Try(Send send);
  // Bytes that are queued, counted no further than to `most`.
  size_t QueuedBytes(size_t most) const;

  Http2Session& session_;
  const int32_t id_;
  std::deque<Chunk> chunks_;
  uint64_t num_taken_ = 0;  // Chunks that were before them.
  std::optional<std::vector<HttpHeader>> trailers_;
  bool has_submitted_trailers_ = false;  // Without a frame of data that they follow.
  bool head_sent_ = false;
  bool answer_ended_ = false;  // Nothing follows what is in `chunks_` and `trailers_`.
  bool was_reset_ = false;     // By us.
  bool is_closed_ = false;
  bool rests_ = false;
  size_t unconsumed_ = 0, owed_ = 0;
  size_t received_ = 0;  // Since the window last grew.
  size_t window_;
  uint64_t stuck_at_ = 0;  // num_taken_ when IsStuck was last asked, and since when.
  std::optional<TimePoint> stuck_since_;
  uint64_t bytes_taken_ = 0, waiting_at_ = 0;  // Of the answer; when MayWait was last asked,
  std::optional<TimePoint> waiting_since_;     // and since when it was so many.
};

}  // namespace akin::server
