#include "server/http2/session.h"

#include <nghttp2/nghttp2.h>

#include <array>
#include <memory>
#include <new>
#include <utility>
#include <variant>

#include "server/http/head.h"
#include "server/text.h"

namespace akin::server {
namespace {

// RFC 9218; older versions of nghttp2 have no name for it.
constexpr int32_t kNoPriorities = 0x9;
// Frames other than data that may wait to be sent before nothing more is received.
constexpr size_t kMaxQueuedFrames = 200;

#ifdef AKIN_NGHTTP2_MAX_CONTINUATIONS
constexpr size_t kMaxPartsOfContinuations = size_t{10} * FrameMeter::kMaxContinuations;
#endif

std::string_view TextOf(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// nghttp2 copies what it is given so.
nghttp2_nv FieldOf(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

void AddFields(const std::vector<HttpHeader>& headers, std::vector<nghttp2_nv>& fields) {
  for (const HttpHeader& header : headers) fields.push_back(FieldOf(header.name, header.value));
}

using CallbacksPtr =
    std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>;
using OptionPtr = std::unique_ptr<nghttp2_option, decltype(&nghttp2_option_del)>;

}  // namespace

// What nghttp2 calls. No exception may pass through it.
struct Http2Session::Callbacks {
  static Http2Session& Self(void* self) { return *static_cast<Http2Session*>(self); }

  template <typename Call>
  static int Try(Call call) {
    try {
      return call();
    } catch (...) {  // Memory that ran out.
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return Try([&] {
      if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
      Http2Session& self = Self(user);
      const int32_t id = frame->hd.stream_id;
      self.streams_[id] = std::make_unique<Http2Stream>(self, id);
      return 0;
    });
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* user) {
    return Try([&] {
      Http2Stream* const stream = Self(user).Find(frame->hd.stream_id);
      // Nobody asks for the trailers of a request.
      if (stream == nullptr || stream->has_begun) return 0;
      stream->head.Add(TextOf(name, name_size), TextOf(value, value_size));
      // What is left is then decoded and not looked at: a few bytes may name a long field again and
      // again, which costs its reader thousands of times as much.
      return stream->head.is_hopeless() ? int{NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE} : 0;
    });
  }

  // What nghttp2 would leave out and go on.
  static int OnInvalidHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t*, size_t,
                             const uint8_t*, size_t, uint8_t, void* user) {
    return Try([&] {
      Http2Stream* const stream = Self(user).Find(frame->hd.stream_id);
      if (stream != nullptr && !stream->has_begun)
        stream->head.Refuse({400, "a header is malformed"});
      return 0;
    });
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return Try([&] {
      if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
      Http2Session& self = Self(user);
      Http2Stream* const stream = self.Find(frame->hd.stream_id);
      if (stream == nullptr) return 0;
      const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      if (ends) stream->client_ended = true;
      if (!stream->has_begun) {
        stream->has_begun = true;
        self.Begin(*stream);
      } else if (ends) {
        self.RequestEnded(*stream);
      }
      return 0;
    });
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                    void* user) {
    return Try([&] {
      Http2Session& self = Self(user);
      Http2Stream* const stream = self.Find(id);
      const bool is_wanted = stream != nullptr && stream->handler != nullptr &&
                             !stream->was_reset() && self.excess_.empty();
      // Its own window stays as it is.
      if (!is_wanted) return nghttp2_session_consume_connection(session, size);
      stream->Received(size);
      self.Guarded(*stream, [&] { stream->handler->OnData(TextOf(data, size)); });
      self.OpenConnection(*stream);
      return 0;
    });
  }

  static int OnClose(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    return Try([&] {
      Http2Session& self = Self(user);
      self.unread_.erase(id);
      if (Http2Stream* const stream = self.Find(id)) self.Closed(*stream, code != NGHTTP2_NO_ERROR);
      return 0;
    });
  }

  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return Try([&] {
      const bool is_error =
          frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR;
      if (is_error && !Self(user).is_ended_) {
        ++Self(user).num_refused_;
        Self(user).malformed_ =
            frame->goaway.opaque_data_len > 0
                ? TextOf(frame->goaway.opaque_data, frame->goaway.opaque_data_len)
                : nghttp2_http2_strerror(frame->goaway.error_code);
      }
      const bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      Http2Stream* const stream = ends ? Self(user).Find(frame->hd.stream_id) : nullptr;
      if (stream != nullptr) Self(user).AnswerSent(*stream);
      return 0;
    });
  }

  // How much of the answer goes into the next frame; SendData copies it.
  static ssize_t ReadData(nghttp2_session* session, int32_t id, uint8_t*, size_t room,
                          uint32_t* flags, nghttp2_data_source*, void* user) {
    ssize_t size = 0;
    const int failed = Try([&] {
      Http2Session& self = Self(user);
      Http2Stream* const stream = self.Find(id);
      if (stream == nullptr) return int{NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE};
      const auto next = stream->PeekData(room);
      if (!next) return int{NGHTTP2_ERR_DEFERRED};
      size = static_cast<ssize_t>(next->bytes);
      *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
      if (!next->is_last) return 0;
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (next->trailers == nullptr) return 0;
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      if (next->bytes == 0) stream->TakeData(0, *self.out_, self.sent_);  // No frame follows.
      std::vector<nghttp2_nv> fields;
      AddFields(*next->trailers, fields);
      return nghttp2_submit_trailer(session, id, fields.data(), fields.size());
    });
    return failed != 0 ? failed : size;
  }

  static int SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t size,
                      nghttp2_data_source*, void* user) {
    return Try([&] {
      Http2Session& self = Self(user);
      if (self.out_->size() >= self.most_) return int{NGHTTP2_ERR_WOULDBLOCK};
      Http2Stream* const stream = self.Find(frame->hd.stream_id);
      if (stream == nullptr) return int{NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE};
      constexpr size_t kHeadBytes = 9;
      self.out_->append(TextOf(head, kHeadBytes));
      stream->TakeData(size, *self.out_, self.sent_);
      self.meter_.DataSent();
      return 0;
    });
  }

  static CallbacksPtr All() {
    nghttp2_session_callbacks* all = nullptr;
    if (nghttp2_session_callbacks_new(&all) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, OnBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(all, OnHeader);
    nghttp2_session_callbacks_set_on_invalid_header_callback(all, OnInvalidHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, OnFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, OnClose);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, OnFrameSent);
    nghttp2_session_callbacks_set_send_data_callback(all, SendData);
    return {all, &nghttp2_session_callbacks_del};
  }
};

Http2Session::Http2Session(Http2Handler& handler, Options options)
    : handler_(handler), options_(std::move(options)) {
  const CallbacksPtr callbacks = Callbacks::All();
  nghttp2_option* raw = nullptr;
  if (nghttp2_option_new(&raw) != 0) throw std::bad_alloc();
  const OptionPtr option(raw, &nghttp2_option_del);
  nghttp2_option_set_no_auto_window_update(raw, 1);
  nghttp2_option_set_no_closed_streams(raw, 1);
#ifdef AKIN_NGHTTP2_MAX_CONTINUATIONS
  // It counts each read of a part of one; the meter counts them.
  nghttp2_option_set_max_continuations(raw, kMaxPartsOfContinuations);
#endif
#ifdef AKIN_NGHTTP2_RESET_RATE_LIMIT
  // Ours are fewer, count whoever resets, and are said.
  nghttp2_option_set_stream_reset_rate_limit(raw, static_cast<uint64_t>(100 * kResetsAtOnce),
                                             static_cast<uint64_t>(100 * kResetsPerSecond));
#endif
  if (nghttp2_session_server_new3(
          &session_, callbacks.get(), this, raw,
          const_cast<nghttp2_mem*>(static_cast<const nghttp2_mem*>(options_.memory))) != 0)
    throw std::bad_alloc();
  const std::array<nghttp2_settings_entry, 3> settings{
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMaxStreams},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeadBytes},
       {kNoPriorities, 1}}};
  Check(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
  Check(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                              kConnectionWindowBytes));
}

Http2Session::~Http2Session() {
  Drop();
  // Of a session whose memory has run out nghttp2 1.52 may free a part twice: what is left is lost.
  if (!lacked_memory_) nghttp2_session_del(session_);
}

// --- What the client sends -----------------------------------------------------------------------

bool Http2Session::Receive(std::string_view bytes, TimePoint now) {
  if (is_broken_ || is_ended_) return false;
  now_ = heard_ = now;
  was_pinged_ = false;
  if (const auto what = meter_.Feed(bytes, now)) {
    EndForExcess(*what);
    return false;
  }
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const ssize_t taken = nghttp2_session_mem_recv(session_, data, bytes.size());
  if (taken < 0) {
    Check(static_cast<int>(taken));
    is_broken_ = true;
    const bool is_ours = taken == NGHTTP2_ERR_NOMEM || taken == NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!is_ours) ++num_refused_;
    if (!is_ours) malformed_ = nghttp2_strerror(static_cast<int>(taken));
  }
  AfterCall();
  if (nghttp2_session_want_write(session_) != 0) Wake();
  return !is_broken_ && !is_ended_ && nghttp2_session_want_read(session_) != 0;
}

void Http2Session::Begin(Http2Stream& stream) {
  if (!excess_.empty()) return stream.Reset(Http2Error::kEnhanceYourCalm);
  if (!Admit(stream)) return RefuseForRoom(stream);
  auto head = stream.head.Finish();
  if (const auto* refusal = std::get_if<Refusal>(&head)) {
    ++num_refused_;
    Guarded(stream, [&] { Refuse(stream, refusal->status, refusal->reason); });
    stream.head = RequestHead();
    return stream.LetGoOfHead();
  }
  meter_.RequestBegan();
  Guarded(stream, [&] {
    stream.handler = handler_.Begin(std::get<HttpRequest>(std::move(head)), options_.peer,
                                    stream.client_ended, stream);
    if (stream.handler == nullptr) stream.Reset(Http2Error::kInternalError);
  });
}

bool Http2Session::Admit(Http2Stream& stream) {
  if (options_.streams == nullptr) return true;
  stream.head_bytes = stream.head.bytes();
  stream.share.emplace(*options_.streams, floor_, options_.peer);
  return stream.share->GrowTo(stream.held_bytes());
}

void Http2Session::RefuseForRoom(Http2Stream& stream) {
  ++num_streams_refused_;
  stream.is_refused = true;
  stream.Reset(Http2Error::kRefusedStream);
}

void Http2Session::OpenConnection(Http2Stream& stream) {
  if (stream.owed() == 0 || !stream.share) return;
  if (!stream.share->GrowTo(stream.held_bytes())) return;
  Check(nghttp2_session_consume_connection(session_, stream.owed()));
  stream.Repaid();
}

void Http2Session::RequestEnded(Http2Stream& stream) {
  if (stream.handler == nullptr || stream.was_reset() || !excess_.empty()) return;
  Guarded(stream, [&] { stream.handler->OnEnd(); });
}

template <typename Call>
void Http2Session::Guarded(Http2Stream& stream, Call call) {
  try {
    call();
  } catch (...) {
    // Memory that ran out, mostly. Here it would end the connection.
    if (stream.head_sent() || !stream.takes_answer()) {
      stream.Reset(Http2Error::kInternalError);
    } else {
      Refuse(stream, 500, "the server failed to handle the request");
    }
  }
}

void Http2Session::Refuse(Http2Stream& stream, int status, std::string_view text) {
  handler_.Refuse(stream.head.request(), status, text, stream);
}

// --- What it gets --------------------------------------------------------------------------------

void Http2Session::SubmitHead(int32_t id, int status, const std::vector<HttpHeader>& headers,
                              bool ends) {
  const std::string code = StrCat(status);
  std::vector<nghttp2_nv> fields;
  fields.reserve(headers.size() + 1);
  fields.push_back(FieldOf(":status", code));
  AddFields(headers, fields);
  if (status < 200) {
    CheckAnswer(id, nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, fields.data(),
                                           fields.size(), nullptr));
  } else {
    nghttp2_data_provider data{};
    data.read_callback = Callbacks::ReadData;
    CheckAnswer(id, nghttp2_submit_response(session_, id, fields.data(), fields.size(),
                                            ends ? nullptr : &data));
  }
  Wake();
}

void Http2Session::SubmitTrailers(int32_t id, const std::vector<HttpHeader>& trailers) {
  std::vector<nghttp2_nv> fields;
  AddFields(trailers, fields);
  CheckAnswer(id, nghttp2_submit_trailer(session_, id, fields.data(), fields.size()));
  Wake();
}

void Http2Session::SubmitReset(int32_t id, Http2Error code) {
  Check(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, static_cast<uint32_t>(code)));
  Wake();
}

void Http2Session::Resume(int32_t id) {
  Check(nghttp2_session_resume_data(session_, id));  // If it has been deferred.
  Wake();
}

void Http2Session::Consume(int32_t id, size_t bytes, size_t of_connection, size_t new_window) {
  Check(nghttp2_session_consume_stream(session_, id, bytes));
  if (of_connection > 0) Check(nghttp2_session_consume_connection(session_, of_connection));
  if (new_window != 0) {
    Check(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, id,
                                                static_cast<int32_t>(new_window)));
  }
  Wake();
}

void Http2Session::Check(int result) {
  if (result == NGHTTP2_ERR_NOMEM) lacked_memory_ = true;
  if (nghttp2_is_fatal(result) != 0) is_broken_ = true;  // Whoever fills or receives next drops it.
}

void Http2Session::CheckAnswer(int32_t id, int result) {
  Check(result);
  if (result < 0 && !is_broken_) SubmitReset(id, Http2Error::kInternalError);
}

void Http2Session::Wake() {
  if (out_ == nullptr && options_.wake) options_.wake();
}

void Http2Session::Fill(std::string& out, size_t most) {
  out_ = &out;
  most_ = most;
  while (!is_broken_ && out.size() < most) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) Check(static_cast<int>(size));
    if (size < 0) is_broken_ = true;
    if (size <= 0) break;
    out.append(TextOf(data, static_cast<size_t>(size)));
  }
  out_ = nullptr;
  is_writing_ = !out.empty();
  AfterCall();
}

void Http2Session::Written() {
  is_writing_ = false;
  for (const auto& call : std::exchange(sent_, {})) call();
  TellGone();
}

// --- How it ends ---------------------------------------------------------------------------------

Http2Stream* Http2Session::Find(int32_t id) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second.get();
}

void Http2Session::AnswerSent(Http2Stream& stream) {
  stream.end_sent = true;
  resets_.Give(1);
  if (stream.client_ended) return;  // nghttp2 closes it.
  unread_[stream.id()] = now_;
  Closed(stream, false);
}

void Http2Session::Closed(Http2Stream& stream, bool by_error) {
  Check(nghttp2_session_consume_connection(session_, stream.owed()));
  const bool is_answered = stream.end_sent;
  if (by_error && !is_answered) {
    if (!stream.was_reset()) ++num_left_;
    // What was refused for want of room is not its fault.
    if (!stream.is_refused && !resets_.Take(now_)) excess_ = "requests that are reset";
  }
  auto node = streams_.extract(stream.id());
  (is_answered ? answered_ : lost_).insert(std::move(node));
}

void Http2Session::TellGone() {
  const auto tell = [](Streams streams, bool answered) {
    for (const auto& [id, stream] : streams) {
      stream->Close();
      try {
        if (stream->handler != nullptr) stream->handler->OnGone(answered);
      } catch (...) {  // Memory that ran out; the stream is over in any case.
      }
    }
  };
  tell(std::exchange(lost_, {}), false);
  if (!is_writing_) tell(std::exchange(answered_, {}), true);
}

void Http2Session::AfterCall() {
  if (!excess_.empty() && !is_ended_) {
    ++num_refused_;
    End(Http2Error::kEnhanceYourCalm);
  }
  if (is_broken_) Drop();
  TellGone();
  if (is_draining_ && streams_.empty() && !is_ended_) End(Http2Error::kNoError);
}

void Http2Session::EndForExcess(std::string_view what) {
  excess_ = what;
  AfterCall();
}

void Http2Session::End(Http2Error code) {
  if (is_broken_ || is_ended_) return;
  is_ended_ = true;
  Check(nghttp2_session_terminate_session(session_, static_cast<uint32_t>(code)));
  lost_.merge(streams_);
  TellGone();
  Wake();
}

void Http2Session::Drop(bool left) {
  is_broken_ = true;
  if (left) num_left_ += static_cast<int64_t>(streams_.size() + answered_.size() - num_resting_);
  is_writing_ = false;
  lost_.merge(streams_);
  lost_.merge(answered_);
  sent_.clear();
  TellGone();
}

// New streams that are on their way are taken until the next sweep, when the client has heard.
void Http2Session::Drain() {
  if (is_draining_ || is_broken_ || is_ended_) return;
  is_draining_ = true;
  if (streams_.empty()) return End(Http2Error::kNoError);
  Check(nghttp2_submit_shutdown_notice(session_));
  Wake();
}

void Http2Session::Sweep(TimePoint now) {
  now_ = now;
  std::vector<int32_t> ids;
  ids.reserve(streams_.size());
  for (const auto& [id, stream] : streams_) ids.push_back(id);
  for (const int32_t id : ids) {
    if (Http2Stream* const stream = Find(id); stream != nullptr && stream->handler != nullptr)
      Guarded(*stream, [&] { stream->handler->Sweep(now); });
    Http2Stream* const stream = Find(id);
    if (stream != nullptr) Guarded(*stream, [&] { SweepStream(*stream, now); });
  }
  for (auto it = unread_.begin(); it != unread_.end();) {
    const auto [id, since] = *it++;
    if (now - since < kUnreadTime) continue;
    unread_.erase(id);
    SubmitReset(id, Http2Error::kNoError);
  }
  if (is_draining_ && !is_last_told_ && !is_ended_ && !is_broken_) {
    is_last_told_ = true;
    Check(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                                nullptr, 0));
    Wake();
  }
  LookForSilence(now);
}

void Http2Session::SweepStream(Http2Stream& stream, TimePoint now) {
  if (stream.IsStuck(now, options_.write_timeout)) {
    if (!stream.was_reset()) ++num_timed_out_;
    return stream.Reset(Http2Error::kCancel);
  }
  if (stream.was_reset() || stream.MayWait(now)) return;
  // As one that the client resets, it is taken from `resets_`.
  ++num_streams_refused_;
  stream.Reset(stream.head_sent() ? Http2Error::kEnhanceYourCalm : Http2Error::kRefusedStream);
}

// A client whose machine or network has gone says nothing for ever, and a stream that waits for
// news would be kept as long.
void Http2Session::LookForSilence(TimePoint now) {
  if (is_broken_ || is_ended_) return;
  // Of a client that is not read nothing is heard.
  if (streams_.empty() || is_clogged()) heard_ = now;
  if (now - heard_ < kSilence) return;
  if (!was_pinged_) {
    was_pinged_ = true;
    Check(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr));
    return Wake();
  }
  if (now - heard_ < kSilence + kPingTime) return;
  ++num_timed_out_;
  Drop();
  Wake();
}

bool Http2Session::is_over() const {
  return is_broken_ ||
         (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0);
}

bool Http2Session::is_clogged() const {
  return nghttp2_session_get_outbound_queue_size(session_) > kMaxQueuedFrames;
}

}  // namespace akin::server
