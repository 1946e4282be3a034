#include "http2_client.h"

namespace akin::server {
namespace {

std::vector<nghttp2_nv> FieldsOf(const Fields& fields) {
  std::vector<nghttp2_nv> all;
  for (const auto& [name, value] : fields) {
    all.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                   reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                   value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return all;
}

std::string Integer(size_t value) {  // RFC 7541, 5.1, with a prefix of seven bits.
  if (value < 127) return {static_cast<char>(value)};
  std::string out = "\x7f";
  for (value -= 127; value >= 128; value >>= 7) out += static_cast<char>(128 | (value & 127));
  return out + static_cast<char>(value);
}

}  // namespace

std::string Frame(int type, int flags, int32_t stream, std::string_view payload) {
  std::string out;
  for (const int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
  return out.append(payload);
}

std::string FieldBlock(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += '\0';
    out += Integer(name.size()) + name + Integer(value.size()) + value;
  }
  return out;
}

struct Http2Client::Callbacks {
  static Http2Client& Self(void* self) { return *static_cast<Http2Client*>(self); }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* user) {
    Answer& answer = Self(user).answers[frame->hd.stream_id];
    const bool is_trailer = !answer.head.empty() && frame->headers.cat == NGHTTP2_HCAT_HEADERS;
    (is_trailer ? answer.trailers : answer.head)
        .emplace_back(std::string(name, name + name_size), std::string(value, value + value_size));
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Client& self = Self(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      ++self.goaways;
      self.goaway_error = frame->goaway.error_code;
      self.last_stream = frame->goaway.last_stream_id;
    }
    if (frame->hd.type == NGHTTP2_DATA) ++self.data_frames;
    const bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (may_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      self.answers[frame->hd.stream_id].has_ended = true;
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
                    void* user) {
    Self(user).answers[id].body.append(data, data + size);
    return 0;
  }
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* user) {
    Answer& answer = Self(user).answers[id];
    answer.is_closed = true;
    answer.error = error;
    return 0;
  }
  static ssize_t Read(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t room,
                      uint32_t* flags, nghttp2_data_source*, void* user) {
    Body& body = Self(user).bodies_[id];
    const size_t size = body.bytes.copy(reinterpret_cast<char*>(buffer), room, body.at);
    body.at += size;
    if (body.at < body.bytes.size() || (size == 0 && !body.ends))
      return size == 0 ? ssize_t{NGHTTP2_ERR_DEFERRED} : static_cast<ssize_t>(size);
    if (!body.ends) return static_cast<ssize_t>(size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!body.trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto fields = FieldsOf(body.trailers);
      nghttp2_submit_trailer(session, id, fields.data(), fields.size());
    }
    return static_cast<ssize_t>(size);
  }
};

Http2Client::Http2Client(bool takes_data) {
  nghttp2_session_callbacks* all = nullptr;
  nghttp2_session_callbacks_new(&all);
  nghttp2_session_callbacks_set_on_header_callback(all, Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(all, Callbacks::OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, Callbacks::OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(all, Callbacks::OnClose);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, takes_data ? 0 : 1);
  nghttp2_session_client_new2(&session_, all, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(all);
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
}

Http2Client::~Http2Client() { nghttp2_session_del(session_); }

Fields Http2Client::Post(std::string_view path) {
  return {{":method", "POST"},
          {":scheme", "http"},
          {":path", std::string(path)},
          {":authority", "localhost"}};
}

int32_t Http2Client::Submit(const Fields& head, Body body) {
  const auto fields = FieldsOf(head);
  const bool has_body = !body.ends || !body.bytes.empty() || !body.trailers.empty();
  nghttp2_data_provider data{};
  data.read_callback = Callbacks::Read;
  const int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                            has_body ? &data : nullptr, nullptr);
  bodies_[id] = std::move(body);
  return id;
}

int32_t Http2Client::Ask(const Fields& head, std::string body, const Fields& trailers) {
  return Submit(head, {std::move(body), trailers, true});
}

int32_t Http2Client::Begin(const Fields& head, std::string body) {
  return Submit(head, {std::move(body), {}, false});
}

void Http2Client::More(int32_t stream, std::string bytes, bool ends) {
  bodies_[stream].bytes += bytes;
  bodies_[stream].ends = ends;
  nghttp2_session_resume_data(session_, stream);
}

void Http2Client::Reset(int32_t stream) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

std::string Http2Client::Take() {
  std::string out;
  const uint8_t* data = nullptr;
  for (ssize_t size; (size = nghttp2_session_mem_send(session_, &data)) > 0;)
    out.append(data, data + size);
  return out;
}

bool Http2Client::Give(std::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  return nghttp2_session_mem_recv(session_, data, bytes.size()) ==
         static_cast<ssize_t>(bytes.size());
}

}  // namespace akin::server
