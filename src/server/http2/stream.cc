#include "server/http2/stream.h"

#include <algorithm>
#include <utility>

#include "server/http2/framer.h"

namespace akin::server {

// --- The answer ----------------------------------------------------------------------------------

template <typename Send>
void Http2Stream::Try(Send send) {
  try {
    send();
  } catch (...) {  // Memory that ran out.
    Reset(Http2Error::kInternalError);
  }
}

void Http2Stream::SendHead(int status, std::vector<HttpHeader> headers, bool ends) {
  if (head_sent_ || !takes_answer()) return;
  const bool is_interim = status < 200;
  if (!is_interim) {
    SetResting(false);
    head_sent_ = true;
    if (ends) answer_.End();
  }
  Try([&] { context_.framer.SubmitHead(id_, status, headers, ends && !is_interim); });
}

void Http2Stream::SendData(std::string bytes, bool ends, std::function<void()> sent) {
  if (!head_sent_ || !takes_answer()) return;
  SetResting(false);
  if (ends) answer_.End();
  Try([&] {
    answer_.Add(std::move(bytes), std::move(sent));
    context_.framer.Resume(id_);
  });
}

void Http2Stream::SendTrailers(std::vector<HttpHeader> trailers) {
  if (!head_sent_ || !takes_answer()) return;
  SetResting(false);
  if (!answer_.has_data()) {
    // Now: no window holds them up, as it would that of data.
    answer_.EndWithoutData();
    return Try([&] { context_.framer.SubmitTrailers(id_, trailers); });
  }
  answer_.End(std::move(trailers));
  context_.framer.Resume(id_);
}

void Http2Stream::Reset(Http2Error code) {
  if (was_reset_ || end_sent) return;
  SetResting(false);
  was_reset_ = true;
  context_.framer.SubmitReset(id_, code);
}

void Http2Stream::SetResting(bool rests) {
  if (is_closed_ || rests == rests_) return;
  rests_ = rests;
  rests ? ++context_.num_resting : --context_.num_resting;
}

void Http2Stream::Close() {
  SetResting(false);
  was_reset_ = is_closed_ = true;
}

// --- Room ----------------------------------------------------------------------------------------

bool Http2Stream::Admit(StreamBudget& budget, StreamBudget::Floor& floor,
                        const std::string& client) {
  head_bytes_ = head.bytes();
  share_.emplace(budget, floor, client);
  return share_->GrowTo(held_bytes());
}

void Http2Stream::RefuseForRoom() {
  ++context_.num_refused;
  was_refused_ = true;
  Reset(Http2Error::kRefusedStream);
}

void Http2Stream::LetGoOfHead() {
  if (is_closed_) return;
  head_bytes_ = 0;
  if (share_) share_->ShrinkTo(held_bytes());
}

void Http2Stream::SetKeyless() {
  is_keyless_ = true;
  if (is_closed_ || !share_ || share_->SetKeyless()) return;
  RefuseForRoom();
}

bool Http2Stream::MayWait(TimePoint now) {
  if (!share_) return true;
  const bool waits = rests_ || (answer_.has_data() && waiting_at_ == answer_.bytes_taken());
  waiting_at_ = answer_.bytes_taken();
  if (!waits) waiting_since_.reset();
  if (waits && !waiting_since_) waiting_since_ = now;
  return share_->SetWaiting(waits && now - *waiting_since_ >= kPatience);
}

void Http2Stream::MakeRoom() {
  ++context_.num_refused;
  Reset(head_sent_ ? Http2Error::kEnhanceYourCalm : Http2Error::kRefusedStream);
}

// --- The request's windows -----------------------------------------------------------------------

void Http2Stream::Received(size_t bytes) {
  unconsumed_ += bytes;
  owed_ += bytes;
  context_.owed += bytes;
  received_ += bytes;
}

void Http2Stream::OpenConnection() {
  if (owed_ == 0 || !share_ || !share_->GrowTo(held_bytes())) return;
  Repay();
}

void Http2Stream::Repay() {
  context_.owed -= owed_;
  context_.framer.OpenConnectionWindow(std::exchange(owed_, 0));
}

void Http2Stream::LetGoOfRequest() {
  unconsumed_ = 0;
  if (share_) share_->ShrinkTo(held_bytes());
  Repay();
}

void Http2Stream::Consume(size_t bytes) {
  if (is_closed_) return;
  bytes = std::min(bytes, unconsumed_);
  unconsumed_ -= bytes;
  const size_t repaid = std::min(bytes, owed_);
  owed_ -= repaid;
  context_.owed -= repaid;
  if (share_) share_->ShrinkTo(held_bytes());
  context_.framer.OpenWindow(id_, bytes);
  if (repaid > 0) context_.framer.OpenConnectionWindow(repaid);
  // A client that fills its window again and again is given a larger one, for the way to it may be
  // long.
  if (received_ >= window_ && window_ < kMaxWindowBytes && !client_ended) {
    window_ = std::min(2 * window_, kMaxWindowBytes);
    received_ = 0;
    context_.framer.SetWindow(id_, window_);
  }
  context_.framer.Wake();
}

}  // namespace akin::server
