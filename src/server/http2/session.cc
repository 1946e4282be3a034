#include "server/http2/session.h"

#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "server/http/client_address.h"
#include "server/http/head.h"

namespace akin::server {

static_assert(LinkRate::kMostSharers == Http2Session::kMaxStreams);

Http2Session::Http2Session(Http2Handler& handler, Options options)
    : handler_(handler),
      options_(std::move(options)),
      framer_(*this, {.max_streams = kMaxStreams,
                      .max_head_bytes = kMaxHeadBytes,
                      .connection_window_bytes = kConnectionWindowBytes,
                      // Ours are fewer, count whoever resets, and are said.
                      .resets_at_once = 100 * kResetsAtOnce,
                      .resets_per_second = 100 * kResetsPerSecond,
                      .memory = options_.memory,
                      .wake = options_.wake}) {}

Http2Session::~Http2Session() { Drop(); }

// --- What the client sends -----------------------------------------------------------------------

bool Http2Session::Receive(std::string_view bytes, TimePoint now) {
  if (has_ended()) return false;
  now_ = now;
  silence_.Heard(now);
  if (const auto what = meter_.Feed(bytes, now)) {
    Exceed(*what);
    AfterCall();
    return false;
  }
  context_.link.Arrived(bytes.size());
  framer_.Receive(bytes);
  AfterCall();
  LookAtLink();
  if (framer_.wants_write()) framer_.Wake();
  return !has_ended() && framer_.wants_read();
}

void Http2Session::OnRequest(int32_t id) {
  auto stream = std::make_unique<Http2Stream>(context_, id);
  stream->whose = &handler_;
  streams_.Add(std::move(stream));
}

void Http2Session::OnField(int32_t id, std::string_view name, std::string_view value) {
  Http2Stream* const stream = streams_.Find(id);
  // Nobody asks for the trailers of a request.
  if (stream != nullptr && !stream->has_begun) stream->head.Add(name, value);
}

void Http2Session::OnMalformedField(int32_t id) {
  Http2Stream* const stream = streams_.Find(id);
  if (stream != nullptr && !stream->has_begun) stream->head.Refuse({400, "a header is malformed"});
}

void Http2Session::OnFrame(int32_t id, bool ends) {
  Http2Stream* const stream = streams_.Find(id);
  if (stream == nullptr) return;
  if (ends) stream->client_ended = true;
  if (!stream->has_begun) {
    stream->has_begun = true;
    return Guarded(*stream, [&] { Begin(*stream); });
  }
  const bool is_wanted = stream->handler != nullptr && !stream->was_reset() && excess_.empty();
  if (ends && is_wanted) Guarded(*stream, [&] { stream->handler->OnEnd(); });
}

void Http2Session::OnData(int32_t id, std::string_view bytes) {
  Http2Stream* const stream = streams_.Find(id);
  const bool is_wanted =
      stream != nullptr && stream->handler != nullptr && !stream->was_reset() && excess_.empty();
  // Its own window stays as it is.
  if (!is_wanted) return framer_.OpenConnectionWindow(bytes.size());
  stream->Received(bytes.size());
  Guarded(*stream, [&] {
    stream->handler->OnData(bytes);
    stream->OpenConnection();
  });
  KeepWindowOpen();
}

void Http2Session::LookAtLink() {
  using State = Link::State;
  const bool is_shut = framer_.connection_window() <= 0;
  context_.link.SetState(is_shut        ? State::kShut
                         : is_clogged() ? State::kUnread
                                        : State::kOpen,
                         now_);
}

void Http2Session::KeepWindowOpen() {
  while (context_.owed > kMostWaitingBytes) {
    size_t owed = 0;
    Http2Stream* most = nullptr;
    streams_.ForEachOpen([&](Http2Stream& stream) {
      stream.OpenConnection();  // There may be room again.
      if (!stream.is_waiting_for_room()) return;
      owed += stream.owed();
      // Of those that keep as much the last: the others may be before it.
      if (most == nullptr || stream.unconsumed() >= most->unconsumed()) most = &stream;
    });
    if (owed <= kMostWaitingBytes) return;
    Guarded(*most, [&] { most->handler->RefuseForRoom(); });
    most->LetGoOfRequest();
  }
}

void Http2Session::Begin(Http2Stream& stream) {
  const HttpRequest& request = stream.head.request();
  stream.whose = &handler_.For(request);
  stream.with_body = request.method != "HEAD";
  if (!excess_.empty()) return stream.Reset(Http2Error::kEnhanceYourCalm);
  if (options_.streams != nullptr &&
      !stream.Admit(*options_.streams, floor_, ClientOf(options_.peer)))
    return stream.RefuseForRoom();
  auto head = stream.head.Finish();
  if (const auto* refusal = std::get_if<Refusal>(&head)) {
    ++num_refused_;
    Guarded(stream, [&] { Refuse(stream, refusal->status, refusal->reason); });
    stream.head = RequestHead();
    return stream.LetGoOfHead();
  }
  meter_.RequestBegan();
  Guarded(stream, [&] {
    stream.handler = stream.whose->Begin(std::get<HttpRequest>(std::move(head)), options_.peer,
                                         stream.client_ended, stream);
    if (stream.handler == nullptr) stream.Reset(Http2Error::kInternalError);
  });
  if (!stream.is_keyless()) context_.has_asked = true;
}

template <typename Call>
void Http2Session::Guarded(Http2Stream& stream, Call call) {
  try {
    return call();
  } catch (...) {  // Memory that ran out, mostly. Here it would end the connection.
  }
  try {
    if (!stream.has_answer() && stream.takes_answer())
      return Refuse(stream, 500, "the server failed to handle the request");
  } catch (...) {  // Nor is there any for these words.
  }
  stream.Reset(Http2Error::kInternalError);
}

void Http2Session::Refuse(Http2Stream& stream, int status, std::string_view text) {
  stream.whose->Refuse(stream.with_body, status, text, stream);
}

// --- What it gets --------------------------------------------------------------------------------

void Http2Session::Fill(std::string& out, size_t most) {
  framer_.Fill(out, most);
  is_writing_ = !out.empty();
  AfterCall();
}

void Http2Session::Written() {
  is_writing_ = false;
  streams_.Written([this](Http2Stream& stream, const auto& call) { Guarded(stream, call); });
  TellGone();
}

Http2Answer* Http2Session::AnswerOf(int32_t id) {
  Http2Stream* const stream = streams_.Find(id);
  return stream == nullptr ? nullptr : &stream->answer();
}

void Http2Session::OnEndSent(int32_t id) {
  Http2Stream* const stream = streams_.Find(id);
  if (stream == nullptr) return;
  stream->end_sent = true;
  resets_.Give(1);
  if (stream->client_ended) return;  // nghttp2 closes it.
  unread_[id] = now_;
  Close(*stream, false);
}

// --- How streams end -----------------------------------------------------------------------------

void Http2Session::OnClosed(int32_t id, bool by_error) {
  unread_.erase(id);
  if (Http2Stream* const stream = streams_.Find(id)) Close(*stream, by_error);
}

void Http2Session::Close(Http2Stream& stream, bool by_error) {
  stream.Repay();
  if (stream.end_sent) return streams_.EndAnswered(stream);
  if (by_error) {
    if (!stream.was_reset()) ++num_left_;
    // What was refused for want of room is not its fault.
    if (!stream.was_refused() && !resets_.Take(now_)) Exceed("requests that are reset");
  }
  streams_.EndLost(stream);
}

void Http2Session::Sweep(TimePoint now) {
  now_ = now;
  LookAtLink();
  streams_.ForEachOpen([&](Http2Stream& stream) {
    if (stream.handler != nullptr) Guarded(stream, [&] { stream.handler->Sweep(now); });
    Guarded(stream, [&] { SweepStream(stream, now); });
  });
  SweepUnread(now);
  KeepWindowOpen();  // Some may wait since the last frame.
  if (phase_ == Phase::kDraining && !has_ended()) {
    phase_ = Phase::kLastStreamTold;
    framer_.SubmitLastStream();
  }
  SweepSilence(now);
}

void Http2Session::SweepStream(Http2Stream& stream, TimePoint now) {
  if (stream.answer().IsStuck(now, options_.write_timeout)) {
    if (!stream.was_reset()) ++num_timed_out_;
    return stream.Reset(Http2Error::kCancel);
  }
  if (!stream.was_reset() && !stream.MayWait(now)) stream.MakeRoom();
}

void Http2Session::SweepUnread(TimePoint now) {
  std::erase_if(unread_, [&](const auto& unread) {
    const auto& [id, since] = unread;
    if (now - since < kUnreadTime) return false;
    framer_.SubmitReset(id, Http2Error::kNoError);
    return true;
  });
}

void Http2Session::SweepSilence(TimePoint now) {
  if (has_ended()) return;
  // Of a client that is not read nothing is heard.
  switch (silence_.Look(now, streams_.has_open() && !is_clogged())) {
    case Silence::Verdict::kGoOn: break;
    case Silence::Verdict::kAsk: framer_.SubmitPing(); break;
    case Silence::Verdict::kGiveUp:
      ++num_timed_out_;
      Drop();
      framer_.Wake();
  }
}

// --- How the connection ends ---------------------------------------------------------------------

void Http2Session::OnMalformed(std::string_view why) {
  if (phase_ == Phase::kEnded) return;  // For another reason.
  ++num_refused_;
  malformed_ = why;
}

void Http2Session::Exceed(std::string_view what) {
  if (!excess_.empty()) return;
  excess_ = what;
  ++num_refused_;
}

void Http2Session::AfterCall() {
  if (!excess_.empty()) End(Http2Error::kEnhanceYourCalm);
  if (framer_.is_broken()) Drop();
  TellGone();
  if (is_draining() && !streams_.has_open()) End(Http2Error::kNoError);
}

// New streams that are on their way are taken until the next sweep, when the client has heard.
void Http2Session::Drain() {
  if (phase_ != Phase::kOpen || framer_.is_broken()) return;
  phase_ = Phase::kDraining;
  if (!streams_.has_open()) return End(Http2Error::kNoError);
  framer_.SubmitShutdownNotice();
}

void Http2Session::End(Http2Error code) {
  if (has_ended()) return;
  phase_ = Phase::kEnded;
  framer_.Terminate(code);
  streams_.EndAllLost();
  TellGone();
  framer_.Wake();
}

void Http2Session::Drop(bool left) {
  framer_.Break();
  if (left) num_left_ += static_cast<int64_t>(streams_.size() - context_.num_resting);
  is_writing_ = false;
  streams_.EndAllLost();
  streams_.LoseWhatWasAnswered();
  TellGone();
}

bool Http2Session::is_over() const {
  return framer_.is_broken() || (!framer_.wants_read() && !framer_.wants_write());
}

}  // namespace akin::server
