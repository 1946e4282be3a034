#include "server/http2/stream.h"

#include <algorithm>
#include <utility>

#include "server/http2/session.h"

namespace akin::server {

Http2Stream::Http2Stream(Http2Session& session, int32_t id)
    : session_(session), id_(id), window_(Http2Session::kWindowBytes) {}

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
    answer_ended_ = ends;
  }
  Try([&] { session_.SubmitHead(id_, status, headers, ends && !is_interim); });
}

void Http2Stream::SendData(std::string bytes, bool ends, std::function<void()> sent) {
  if (!head_sent_ || !takes_answer()) return;
  SetResting(false);
  answer_ended_ = ends;
  Try([&] {
    chunks_.push_back({std::move(bytes), 0, std::move(sent)});
    session_.Resume(id_);
  });
}

void Http2Stream::SendTrailers(std::vector<HttpHeader> trailers) {
  if (!head_sent_ || !takes_answer()) return;
  SetResting(false);
  answer_ended_ = true;
  if (chunks_.empty()) {
    // Now: no window holds them up, as it would that of data.
    has_submitted_trailers_ = true;
    return Try([&] { session_.SubmitTrailers(id_, trailers); });
  }
  trailers_ = std::move(trailers);
  session_.Resume(id_);
}

void Http2Stream::Reset(Http2Error code) {
  if (was_reset_ || end_sent) return;
  SetResting(false);
  was_reset_ = true;
  session_.SubmitReset(id_, code);
}

void Http2Stream::SetResting(bool rests) {
  if (is_closed_ || rests == rests_) return;
  rests_ = rests;
  rests ? ++session_.num_resting_ : --session_.num_resting_;
}

void Http2Stream::Close() {
  SetResting(false);
  was_reset_ = answer_ended_ = is_closed_ = true;
}

size_t Http2Stream::QueuedBytes(size_t most) const {
  size_t bytes = 0;
  for (const Chunk& chunk : chunks_) {
    bytes += chunk.bytes.size() - chunk.at;
    if (bytes >= most) return most;
  }
  return bytes;
}

std::optional<Http2Stream::Next> Http2Stream::PeekData(size_t room) const {
  if (has_submitted_trailers_) return std::nullopt;
  const size_t queued = QueuedBytes(room + 1);
  Next next{.bytes = std::min(queued, room)};
  next.is_last = answer_ended_ && queued <= room;
  if (next.bytes == 0 && !next.is_last) return std::nullopt;
  if (next.is_last && trailers_) next.trailers = &*trailers_;
  return next;
}

void Http2Stream::TakeData(size_t bytes, std::string& out, Sent& sent) {
  while (!chunks_.empty()) {
    Chunk& chunk = chunks_.front();
    const size_t piece = std::min(bytes, chunk.bytes.size() - chunk.at);
    out.append(chunk.bytes, chunk.at, piece);
    bytes_taken_ += piece;
    chunk.at += piece;
    bytes -= piece;
    if (chunk.at < chunk.bytes.size()) return;
    if (chunk.sent) sent.push_back(std::move(chunk.sent));
    chunks_.pop_front();
    ++num_taken_;
  }
}

bool Http2Stream::IsStuck(TimePoint now, std::chrono::milliseconds longest) {
  if (chunks_.empty() || stuck_at_ != num_taken_) stuck_since_.reset();
  stuck_at_ = num_taken_;
  if (chunks_.empty()) return false;
  if (!stuck_since_) stuck_since_ = now;
  return now - *stuck_since_ >= longest;
}

bool Http2Stream::MayWait(TimePoint now) {
  if (!share) return true;
  const bool waits = rests_ || (!chunks_.empty() && waiting_at_ == bytes_taken_);
  waiting_at_ = bytes_taken_;
  if (!waits) waiting_since_.reset();
  if (waits && !waiting_since_) waiting_since_ = now;
  return share->SetWaiting(waits && now - *waiting_since_ >= Http2Session::kPatience);
}

// --- The request ---------------------------------------------------------------------------------

size_t Http2Stream::held_bytes() const {
  return Http2Session::kStreamBytes + head_bytes + unconsumed_;
}

void Http2Stream::LetGoOfHead() {
  if (is_closed_) return;
  head_bytes = 0;
  if (share) share->ShrinkTo(held_bytes());
}

void Http2Stream::SetKeyless() {
  if (is_closed_ || !share || share->SetKeyless()) return;
  session_.RefuseForRoom(*this);
}

void Http2Stream::Received(size_t bytes) {
  unconsumed_ += bytes;
  owed_ += bytes;
  received_ += bytes;
}

void Http2Stream::Consume(size_t bytes) {
  if (is_closed_) return;
  bytes = std::min(bytes, unconsumed_);
  unconsumed_ -= bytes;
  const size_t repaid = std::min(bytes, owed_);
  owed_ -= repaid;
  if (share) share->ShrinkTo(held_bytes());
  // A client that fills its window again and again is given a larger one, for the way to it may be
  // long.
  const bool grows =
      received_ >= window_ && window_ < Http2Session::kMaxWindowBytes && !client_ended;
  if (grows) {
    window_ = std::min(2 * window_, Http2Session::kMaxWindowBytes);
    received_ = 0;
  }
  session_.Consume(id_, bytes, repaid, grows ? window_ : 0);
}

}  // namespace akin::server
