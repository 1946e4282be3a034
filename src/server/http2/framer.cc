#include "server/http2/framer.h"

#include <nghttp2/nghttp2.h>

#include <array>
#include <memory>
#include <new>
#include <utility>

#include "server/http2/frame_meter.h"
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

// Whether a field has another value in each answer. In HPACK's table it would push out those that
// come again, and entries of one name are slow to search: 1 us of 4 an answer.
bool IsOfOneAnswer(std::string_view name) { return name == "x-request-id"; }

// nghttp2 copies what it is given so.
nghttp2_nv FieldOf(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  const uint8_t flags = IsOfOneAnswer(name) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
  return {bytes(name), bytes(value), name.size(), value.size(), flags};
}

void AddFields(const std::vector<HttpHeader>& headers, std::vector<nghttp2_nv>& fields) {
  for (const HttpHeader& header : headers) fields.push_back(FieldOf(header.name, header.value));
}

bool EndsStream(const nghttp2_frame& frame) {
  return (frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA) &&
         (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

using CallbacksPtr =
    std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>;
using OptionPtr = std::unique_ptr<nghttp2_option, decltype(&nghttp2_option_del)>;

}  // namespace

// What nghttp2 calls. No exception may pass through it.
struct Http2Framer::Callbacks {
  static Http2Framer& Self(void* self) { return *static_cast<Http2Framer*>(self); }
  static Events& EventsOf(void* self) { return Self(self).events_; }

  template <typename Call>
  static int Try(Call call) {
    try {
      return call();
    } catch (...) {  // Memory that ran out.
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  // --- What comes ---

  // Of a block: its stream is reset, and what is left of it decoded and not looked at.
  static constexpr int kEnough = NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    return Try([&] {
      Self(self).block_bytes_ = 0;
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) EventsOf(self).OnRequest(frame->hd.stream_id);
      return 0;
    });
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* self) {
    return Try([&] {
      if (Self(self).IsTooMuch(name_size + value_size)) return kEnough;
      EventsOf(self).OnField(frame->hd.stream_id, TextOf(name, name_size),
                             TextOf(value, value_size));
      return 0;
    });
  }

  static int OnInvalidHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t*,
                             size_t name_size, const uint8_t*, size_t value_size, uint8_t,
                             void* self) {
    return Try([&] {
      if (Self(self).IsTooMuch(name_size + value_size)) return kEnough;
      EventsOf(self).OnMalformedField(frame->hd.stream_id);
      return 0;
    });
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
                    void* self) {
    return Try([&] {
      EventsOf(self).OnData(id, TextOf(data, size));
      return 0;
    });
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    return Try([&] {
      if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
        EventsOf(self).OnFrame(frame->hd.stream_id, EndsStream(*frame));
      return 0;
    });
  }

  static int OnClose(nghttp2_session*, int32_t id, uint32_t code, void* self) {
    return Try([&] {
      EventsOf(self).OnClosed(id, code != NGHTTP2_NO_ERROR);
      return 0;
    });
  }

  // --- What goes ---

  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    return Try([&] {
      if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        const nghttp2_goaway& goaway = frame->goaway;
        EventsOf(self).OnMalformed(goaway.opaque_data_len > 0
                                       ? TextOf(goaway.opaque_data, goaway.opaque_data_len)
                                       : nghttp2_http2_strerror(goaway.error_code));
      }
      if (EndsStream(*frame)) EventsOf(self).OnEndSent(frame->hd.stream_id);
      return 0;
    });
  }

  // How much of the answer goes into the next frame; SendData copies it.
  static ssize_t ReadData(nghttp2_session* session, int32_t id, uint8_t*, size_t room,
                          uint32_t* flags, nghttp2_data_source*, void* self) {
    ssize_t size = 0;
    const int failed = Try([&] {
      Http2Answer* const answer = EventsOf(self).AnswerOf(id);
      if (answer == nullptr) return int{NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE};
      const auto next = answer->Peek(room);
      if (!next) return int{NGHTTP2_ERR_DEFERRED};
      size = static_cast<ssize_t>(next->bytes);
      *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
      if (!next->is_last) return 0;
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (next->trailers == nullptr) return 0;
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> fields;
      AddFields(*next->trailers, fields);
      if (next->bytes == 0) answer->Take(0, *Self(self).out_);  // No frame follows.
      return nghttp2_submit_trailer(session, id, fields.data(), fields.size());
    });
    return failed != 0 ? failed : size;
  }

  static int SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t size,
                      nghttp2_data_source*, void* self) {
    return Try([&] {
      std::string& out = *Self(self).out_;
      if (out.size() >= Self(self).most_) return int{NGHTTP2_ERR_WOULDBLOCK};
      Http2Answer* const answer = EventsOf(self).AnswerOf(frame->hd.stream_id);
      if (answer == nullptr) return int{NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE};
      constexpr size_t kHeadBytes = 9;
      out.append(TextOf(head, kHeadBytes));
      EventsOf(self).OnDataSent(answer->Take(size, out));
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

Http2Framer::Http2Framer(Events& events, Options options)
    : events_(events), options_(std::move(options)) {
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
  nghttp2_option_set_stream_reset_rate_limit(raw, static_cast<uint64_t>(options_.resets_at_once),
                                             static_cast<uint64_t>(options_.resets_per_second));
#endif
  if (nghttp2_session_server_new3(
          &session_, callbacks.get(), this, raw,
          const_cast<nghttp2_mem*>(static_cast<const nghttp2_mem*>(options_.memory))) != 0)
    throw std::bad_alloc();
  const std::array<nghttp2_settings_entry, 3> settings{
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.max_streams},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(options_.max_head_bytes)},
       {kNoPriorities, 1}}};
  Check(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
  SetWindow(0, options_.connection_window_bytes);
}

Http2Framer::~Http2Framer() {
  // Of a session whose memory has run out nghttp2 1.52 may free a part twice: what is left is lost.
  if (!lacked_memory_) nghttp2_session_del(session_);
}

bool Http2Framer::IsTooMuch(size_t field_bytes) {
  constexpr size_t kFieldOverhead = 32;  // RFC 9113, 6.5.2.
  block_bytes_ += field_bytes + kFieldOverhead;
  return block_bytes_ > 4 * options_.max_head_bytes;
}

void Http2Framer::Receive(std::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const ssize_t taken = nghttp2_session_mem_recv(session_, data, bytes.size());
  if (taken < 0) {
    const int error = static_cast<int>(taken);
    Check(error);
    is_broken_ = true;
    const bool is_ours = error == NGHTTP2_ERR_NOMEM || error == NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!is_ours) events_.OnMalformed(nghttp2_strerror(error));
  }
}

void Http2Framer::Fill(std::string& out, size_t most) {
  out_ = &out;
  most_ = most;
  try {
    while (!is_broken_ && out.size() < most) {
      const uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size < 0) Check(static_cast<int>(size));
      if (size < 0) is_broken_ = true;
      if (size <= 0) break;
      out.append(TextOf(data, static_cast<size_t>(size)));
    }
  } catch (...) {  // Memory that ran out; what nghttp2 has given is lost.
    is_broken_ = true;
  }
  out_ = nullptr;
}

// --- Of one stream -------------------------------------------------------------------------------

void Http2Framer::SubmitHead(int32_t id, int status, const std::vector<HttpHeader>& headers,
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

void Http2Framer::SubmitTrailers(int32_t id, const std::vector<HttpHeader>& trailers) {
  std::vector<nghttp2_nv> fields;
  AddFields(trailers, fields);
  CheckAnswer(id, nghttp2_submit_trailer(session_, id, fields.data(), fields.size()));
  Wake();
}

void Http2Framer::SubmitReset(int32_t id, Http2Error code) {
  Check(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, static_cast<uint32_t>(code)));
  Wake();
}

void Http2Framer::Resume(int32_t id) {
  Check(nghttp2_session_resume_data(session_, id));  // If it has been deferred.
  Wake();
}

void Http2Framer::OpenWindow(int32_t id, size_t bytes) {
  Check(nghttp2_session_consume_stream(session_, id, bytes));
}

void Http2Framer::OpenConnectionWindow(size_t bytes) {
  Check(nghttp2_session_consume_connection(session_, bytes));
}

void Http2Framer::SetWindow(int32_t id, size_t bytes) {
  Check(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, id,
                                              static_cast<int32_t>(bytes)));
}

int32_t Http2Framer::connection_window() const {
  return nghttp2_session_get_local_window_size(session_);
}

// --- Of the connection ---------------------------------------------------------------------------

void Http2Framer::SubmitPing() {
  Check(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr));
  Wake();
}

void Http2Framer::SubmitShutdownNotice() {
  Check(nghttp2_submit_shutdown_notice(session_));
  Wake();
}

void Http2Framer::SubmitLastStream() {
  Check(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                              nullptr, 0));
  Wake();
}

void Http2Framer::Terminate(Http2Error code) {
  Check(nghttp2_session_terminate_session(session_, static_cast<uint32_t>(code)));
  Wake();
}

bool Http2Framer::wants_read() const { return nghttp2_session_want_read(session_) != 0; }
bool Http2Framer::wants_write() const { return nghttp2_session_want_write(session_) != 0; }

bool Http2Framer::is_clogged() const {
  return nghttp2_session_get_outbound_queue_size(session_) > kMaxQueuedFrames;
}

void Http2Framer::Wake() const {
  if (out_ == nullptr && options_.wake) options_.wake();
}

void Http2Framer::Check(int result) {
  if (result == NGHTTP2_ERR_NOMEM) lacked_memory_ = true;
  if (nghttp2_is_fatal(result) != 0) is_broken_ = true;
}

void Http2Framer::CheckAnswer(int32_t id, int result) {
  Check(result);
  if (result < 0 && !is_broken_) SubmitReset(id, Http2Error::kInternalError);
}

}  // namespace akin::server
