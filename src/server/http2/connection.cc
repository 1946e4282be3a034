#include "server/http2/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "server/http/socket_state.h"

namespace akin::server {
namespace {

namespace asio = boost::asio;

constexpr size_t kIdleReadBytes = size_t{2} << 10;  // As HTTP/1.1's.
constexpr size_t kReadBytes = size_t{16} << 10;
constexpr size_t kMaxWriteBytes = size_t{128} << 10;
constexpr size_t kIdleWriteBytes = size_t{4} << 10;
// So many times --idle-timeout a connection is kept without a request, if its client pings.
constexpr int kPingedIdleTimes = 4;

// What is to be done when a coroutine ends: also when the event loop lets go of it without a word,
// because there was no memory to go on.
template <typename Call>
class Finally {
 public:
  explicit Finally(Call call) : call_(std::move(call)) {}
  ~Finally() { call_(); }
  Finally(const Finally&) = delete;
  Finally& operator=(const Finally&) = delete;

 private:
  const Call call_;
};

// Of what is written, in the system's buffer. Else it takes megabytes of answers, behind which a
// slow client hears late that a window is open, and what it sends is late for that. (Sockets that
// are not TCP's take less.)
void KeepLittleUnsent([[maybe_unused]] int socket) {
#ifdef TCP_NOTSENT_LOWAT
  constexpr int kBytes = kMaxWriteBytes;
  setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kBytes, sizeof kBytes);
#endif
}

// To a size, without more capacity than that.
void SetBuffer(std::string& buffer, size_t size) {
  if (buffer.capacity() > 2 * size) std::string().swap(buffer);
  buffer.resize(size);
}

}  // namespace

void Http2Connection::Signal::Set() {
  is_set_ = true;
  if (is_awaited_) timer_.cancel();
}

asio::awaitable<void> Http2Connection::Signal::Wait() {
  while (!is_set_) {
    boost::system::error_code ignored;
    is_awaited_ = true;
    timer_.expires_at(asio::steady_timer::time_point::max());
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    is_awaited_ = false;
  }
  is_set_ = false;
}

Http2Connection::Http2Connection(std::unique_ptr<Stream> stream, std::string first,
                                 std::string peer, ServedShared& shared, Http2Handler& handler,
                                 std::shared_ptr<ConnectionSlots::Slot> slot)
    : stream_(std::move(stream)),
      peer_(std::move(peer)),
      shared_(shared),
      slot_(std::move(slot)),
      in_(std::move(first)),
      wake_(stream_->socket().get_executor()),
      written_(stream_->socket().get_executor()),
      session_(handler, {.peer = peer_,
                         .write_timeout = shared.options.write_timeout,
                         .streams = &shared.streams,
                         .wake = [this] {
                           if (!is_abandoned_) wake_.Set();
                         }}) {
  KeepLittleUnsent(stream_->socket().native_handle());
}

Http2Connection::~Http2Connection() { Abandon(); }

void Http2Connection::Abandon() {
  is_abandoned_ = true;
  session_.Drop();
  Count();
}

asio::awaitable<void> Http2Connection::Serve() {
  // The sweep and the session hold no share of the connection; this frame and the writer's do.
  const auto self = shared_from_this();
  const Finally end([this] {
    if (is_abandoned_) return;
    is_read_ = true;
    GiveUp();
    wake_.Set();
  });
  if (shared_.draining) Drain();
  asio::co_spawn(stream_->socket().get_executor(), Write(), asio::detached);
  try {
    co_await Read();
  } catch (...) {  // Memory that ran out; it ends this connection and no other.
    GiveUp();
  }
  is_read_ = true;
  wake_.Set();
  while (!is_written_) co_await written_.Wait();
  GiveUp();
  stream_->ShutDown();
  if (!gives_way_) co_await Linger();
}

asio::awaitable<void> Http2Connection::Read() {
  bool goes_on = in_.empty() || Receive(in_);
  while (goes_on && !is_written_ && !timed_out_) {
    while (session_.is_clogged() && write_since_) co_await written_.Wait();
    if (const auto pause = session_.meter().Pause(Clock::now()); pause.count() > 0) {
      boost::system::error_code ignored;
      asio::steady_timer timer(stream_->socket().get_executor(), pause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      continue;  // What it was waited for may be gone.
    }
    SetBuffer(in_, num_streams_ == 0 ? kIdleReadBytes : kReadBytes);
    const size_t bytes = co_await stream_->ReadSome(asio::buffer(in_));
    if (bytes == 0) break;
    goes_on = Receive(std::string_view(in_).substr(0, bytes));
  }
  if (goes_on) GiveUp(!timed_out_);
}

bool Http2Connection::Receive(std::string_view bytes) {
  const auto now = Clock::now();
  if (counted_answering_ == 0) shared_.spin.Arrived(now);
  const bool goes_on = session_.Receive(bytes, now);
  Count();
  // Bodies go on.
  if ((bytes_since_idle_ += bytes.size()) >= kBusyBodyBytes && is_waiting_) SetIdle(now);
  TellRefused();
  if (!goes_on && !session_.excess().empty()) shared_.handler.OnAbuse(peer_, session_.excess());
  return goes_on;
}

asio::awaitable<void> Http2Connection::Write() {
  const auto self = shared_from_this();
  const Finally end([this] {
    if (is_abandoned_) return;
    is_written_ = true;
    written_.Set();
    if (!is_read_) CancelWait();
  });
  while (true) {
    out_.clear();
    session_.Fill(out_, kMaxWriteBytes);
    Count();
    if (out_.empty()) {
      if (is_read_ || session_.is_over()) co_return;
      if (out_.capacity() > kIdleWriteBytes) std::string().swap(out_);
      co_await wake_.Wait();
      continue;
    }
    write_since_ = Clock::now();
    const std::array buffers{asio::const_buffer(out_.data(), out_.size()), asio::const_buffer()};
    const bool failed = static_cast<bool>(co_await stream_->Write(buffers));
    write_since_.reset();
    written_.Set();
    if (failed) {
      GiveUp();
      co_return;
    }
    session_.Written();
    Count();
    if (shared_.answering == 0 && shared_.arrived == 0) shared_.spin.Answered(Clock::now());
  }
}

// What the client still sends is thrown away for a moment: closing at once would reset the
// connection and take the last words with it.
asio::awaitable<void> Http2Connection::Linger() {
  linger_since_ = Clock::now();
  SetBuffer(in_, kIdleReadBytes);
  for (int i = 0; i < 64 && !timed_out_; ++i) {
    const size_t bytes = co_await stream_->ReadSome(asio::buffer(in_));
    if (bytes == 0) break;
  }
}

void Http2Connection::GiveUp(bool left) {
  session_.Drop(left);
  Count();
  // What is being written reaches nobody.
  if (write_since_) CancelWait();
}

void Http2Connection::CancelWait() {
  boost::system::error_code ignored;
  stream_->socket().cancel(ignored);
}

void Http2Connection::Count() {
  const size_t streams = session_.num_streams();
  const size_t old_streams = std::exchange(num_streams_, streams);
  const int answering = static_cast<int>(session_.num_answering());
  const bool was_waiting = std::exchange(is_waiting_, answering == 0);
  if (session_.has_asked()) slot_->SetAsked(Clock::now());
  if (was_waiting && !is_waiting_) slot_->SetBusy();
  if (!was_waiting && is_waiting_) SetIdle(Clock::now());
  if (old_streams != 0 && streams == 0) idle_since_ = unused_since_ = Clock::now();
  shared_.answering += answering - std::exchange(counted_answering_, answering);
  const int64_t timeouts = session_.num_timed_out(), left = session_.num_left(),
                refused = session_.num_refused();
  shared_.counts.timed_out += timeouts - std::exchange(counted_timeouts_, timeouts);
  shared_.counts.left += left - std::exchange(counted_left_, left);
  const int64_t streams_refused = session_.num_streams_refused();
  shared_.counts.streams_refused +=
      streams_refused - std::exchange(counted_streams_refused_, streams_refused);
  if (!session_.malformed().empty() && !std::exchange(malformed_was_told_, true))
    shared_.handler.OnMalformed(peer_, session_.malformed());
  shared_.counts.refused += refused - std::exchange(counted_refused_, refused);
}

void Http2Connection::SetIdle(Clock::time_point now) {
  bytes_since_idle_ = 0;
  slot_->SetIdle(now);
}

void Http2Connection::TellRefused() {
  const int64_t refused = session_.num_streams_refused();
  if (std::exchange(told_streams_refused_, refused) != refused)
    shared_.handler.OnStreamsRefused(peer_);
}

void Http2Connection::Sweep(Clock::time_point now) {
  if (timed_out_) return;
  if (gives_way_) return Close();  // It has had its time for a last word.
  const HttpOptions& options = shared_.options;
  const FrameMeter& meter = session_.meter();
  if (linger_since_) {
    timed_out_ = now - *linger_since_ >= kLinger;
    if (timed_out_) CancelWait();
    return;
  }
  session_.Sweep(now);
  Count();
  TellRefused();
  const bool is_late =
      (!meter.has_begun() && now - begin_ >= options.header_timeout) ||
      (meter.block_since() && now - *meter.block_since() >= options.header_timeout) ||
      (write_since_ && now - *write_since_ >= options.write_timeout);
  if (is_late) {
    timed_out_ = true;
    ++shared_.counts.timed_out;
    return CancelWait();
  }
  // A client that pings wants to keep its connection, and may for some time: only to ping is to
  // hold a place for ever.
  const bool has_pinged = std::exchange(counted_pings_, meter.num_pings()) != meter.num_pings();
  if (has_pinged && now - unused_since_ < kPingedIdleTimes * options.idle_timeout)
    idle_since_ = now;
  if (num_streams_ == 0 && now - idle_since_ >= options.idle_timeout) session_.Drain();
}

// The last word is the writer's, if it can be said at once. Streams that rest end with it: their
// clients are told that the connection ends, and may ask again on another.
bool Http2Connection::GiveWay(bool may_tell) {
  if (!linger_since_ && HasInput(stream_->socket().native_handle())) return false;
  gives_way_ = true;
  if (linger_since_ || write_since_ || !may_tell) {
    slot_->Release();
    Close();
  } else {
    slot_->Leave();
    session_.End(Http2Error::kNoError);
    Count();
  }
  return true;
}

void Http2Connection::Close() {
  timed_out_ = true;
  boost::system::error_code ignored;
  stream_->socket().close(ignored);
}

void Http2Connection::Drain() { session_.Drain(); }

}  // namespace akin::server
