// One stream of a session: its request's head, the windows of its body, its answer, and what it is
// charged for them.
//
// It begins with the head's first frame, is handed to its handler when the head is whole, and is
// over when both sides have ended or one has reset it; Close then cuts the handler off.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/budgets/link_rate.h"
#include "server/budgets/stream_budget.h"
#include "server/http2/answer.h"
#include "server/http2/handler.h"
#include "server/http2/request_head.h"

namespace akin::server {

class Http2Framer;

// What the streams of one session share; outlives them.
struct Http2StreamContext {
  Http2Framer& framer;
  size_t num_resting = 0;           // Streams (Http2Responder::SetResting).
  int64_t num_refused = 0;          // For want of room.
  MessageBudget::Floor floor = {};  // Of what handlers have taken of requests.
  Link link = {};                   // What comes, of all streams.
  size_t owed = 0;                  // What the connection's window lacks, of all streams.
  bool has_asked = false;           // One of them what may need a key.
};

class Http2Stream final : public Http2Responder {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // A client that keeps its stream waiting for longer is idle, as far as room is concerned.
  static constexpr std::chrono::seconds kPatience{1};
  // What it holds beside its head and what nobody has consumed: what nghttp2, the session and the
  // handler keep of it, and the few bytes that MessageBudget leaves free. Measured: 6.7 KiB.
  static constexpr size_t kBytes = size_t{8} << 10;
  // Of its request that nobody has consumed: at first (RFC 9113's own), and at most, when much has
  // been.
  static constexpr size_t kWindowBytes = 65'535;
  static constexpr size_t kMaxWindowBytes = size_t{512} << 10;

  Http2Stream(Http2StreamContext& context, int32_t id) : context_(context), id_(id) {}

  // Http2Responder:
  void SendHead(int status, std::vector<HttpHeader> headers, bool ends) override;
  void SendData(std::string bytes, bool ends, std::function<void()> sent) override;
  void SendTrailers(std::vector<HttpHeader> trailers) override;
  void Reset(Http2Error code) override;
  void Consume(size_t bytes) override;
  void SetResting(bool rests) override;
  void LetGoOfHead() override;
  void SetKeyless() override;
  MessageBudget::Floor* floor() override { return &context_.floor; }
  const Link& link() const override { return context_.link; }

  // Its head is whole: whether there is room for it. Without a budget there always is.
  bool Admit(StreamBudget& budget, StreamBudget::Floor& floor, const std::string& client);
  // Resets what there is no room for. Its client may ask again, and it is not its fault.
  void RefuseForRoom();
  // Brings to the budget whether its client has been waited for (for the rest of the request, or to
  // take of the answer, or for ever) since kPatience before `now`. To be asked as
  // Http2Answer::IsStuck. False: it has, and there is no room for one more of these.
  bool MayWait(TimePoint now);
  // For which there is no room, then. It counts as if its client had reset it.
  void MakeRoom();

  // A piece of the request has arrived, for which there will be room again when it is consumed.
  void Received(size_t bytes);
  // What nobody has consumed yet holds up this stream, not the others: the connection's window
  // opens at once, as long as there is room in the budget for what is kept.
  void OpenConnection();
  // What the connection's window lacks of it is given back: nobody will consume it any more.
  void Repay();
  // Nor is it kept: the handler has thrown it away.
  void LetGoOfRequest();
  bool is_waiting_for_room() const {
    return handler != nullptr && !was_reset_ && handler->is_waiting_for_room();
  }
  size_t unconsumed() const { return unconsumed_; }
  size_t owed() const { return owed_; }  // Of that.

  // It is over: from now on its handler's calls have no effect.
  void Close();

  int32_t id() const { return id_; }
  Http2Answer& answer() { return answer_; }
  bool has_answer() const { return head_sent_; }  // Has begun to be answered.
  bool takes_answer() const { return !answer_.has_ended() && !was_reset_; }
  bool was_reset() const { return was_reset_; }  // By us.
  bool was_refused() const { return was_refused_; }
  bool is_keyless() const { return is_keyless_; }

  RequestHead head;                             // Until it has begun.
  Http2Handler* whose = nullptr;                // Who answers it, also what goes wrong.
  bool with_body = true;                        // The answer has one.
  std::unique_ptr<Http2StreamHandler> handler;  // Null: the session answers itself.
  bool has_begun = false;                       // The head is whole.
  bool client_ended = false;                    // The request is.
  bool end_sent = false;  // The answer is, as far as the session is concerned.

 private:
  // Runs what sends something; what it throws costs the stream, for a part of the answer is lost.
  template <typename Send>
  void Try(Send send);
  // What it is to be charged.
  size_t held_bytes() const { return kBytes + head_bytes_ + unconsumed_; }

  Http2StreamContext& context_;
  const int32_t id_;
  Http2Answer answer_;
  bool head_sent_ = false;
  bool was_reset_ = false, was_refused_ = false;
  bool is_closed_ = false;
  bool rests_ = false, is_keyless_ = false;
  // Of the request:
  std::optional<StreamBudget::Share> share_;  // What it holds, of all connections' streams.
  size_t head_bytes_ = 0;                     // That are kept.
  size_t unconsumed_ = 0;  // What the handler has not given back, and of that what the
  size_t owed_ = 0;        // connection's window lacks.
  size_t received_ = 0;    // Since the window last grew.
  size_t window_ = kWindowBytes;
  uint64_t waiting_at_ = 0;                 // Of the answer, taken when MayWait was last asked,
  std::optional<TimePoint> waiting_since_;  // and since when it was so much.
};

}  // namespace akin::server
