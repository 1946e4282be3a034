#include "server/http/connection.h"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "server/http/client_address.h"
#include "server/http/post_surely.h"
#include "server/http/socket_state.h"
#include "server/text.h"

namespace akin::server {
namespace {

namespace asio = boost::asio;

// At once. While a head is awaited: 2,000 idle clients hold 4 MB. A body begins so, too, and goes
// up to the most as long as it fills what it is given: who sends one byte of it does not hold 64
// KiB.
constexpr size_t kReadBytes = size_t{2} << 10;
constexpr size_t kMostBodyReadBytes = size_t{64} << 10;
// Behind a chunked body, whose end is not known, the next requests are read with it, and wait here.
constexpr size_t kMostChunkedReadBytes = size_t{16} << 10;

constexpr std::string_view kSlowHead = "the request's head took too long";

// One more in `count` while it lives.
class Counted {
 public:
  explicit Counted(int& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  int& count_;
};

HttpResponse PlainRefusal(int status, std::string_view reason) {
  return {
      .status = status, .content_type = "text/plain", .body = StrCat(reason, '\n'), .close = true};
}

}  // namespace

Connection::Connection(std::unique_ptr<Stream> stream, std::string peer, ServedShared& shared,
                       std::shared_ptr<ConnectionSlots::Slot> slot)
    : stream_(std::move(stream)), peer_(std::move(peer)), shared_(shared), slot_(std::move(slot)) {
  Enter(Phase::kHead);  // A handshake takes no longer than a head.
}

void Connection::Enter(Phase phase) {
  phase_ = phase;
  phase_begin_ = Clock::now();
  const bool waits_for_us = phase == Phase::kAnswering || phase == Phase::kWriting;
  waits_for_us ? slot_->SetBusy() : slot_->SetIdle(phase_begin_);
  body_bytes_seen_ = 0;
  const HttpOptions& options = shared_.options;
  switch (phase) {
    case Phase::kIdle:
      deadline_ = phase_begin_ + (shared_.draining ? kLastRequest : options.idle_timeout);
      break;
    case Phase::kHead: deadline_ = phase_begin_ + options.header_timeout; break;
    case Phase::kBody:       // Its rate's.
    case Phase::kAnswering:  // The queue's.
      deadline_ = Clock::time_point::max();
      break;
    case Phase::kWriting: deadline_ = phase_begin_ + options.write_timeout; break;
    case Phase::kClosing: deadline_ = phase_begin_ + kLinger; break;
  }
}

void Connection::Sweep(Clock::time_point now) {
  if (phase_ == Phase::kAnswering) LookForLeaving();
  if (timed_out_) return;
  if (phase_ == Phase::kBody) LookAtBody(now);
  holds_up_others_ = room_ && room_->HoldsUpOthers(now);
  const bool is_slow = holds_up_others_ || (rate_ && rate_->IsTooSlow(now));
  if (now < deadline_ && !is_slow) return;
  // About to be read.
  if (phase_ == Phase::kIdle && HasInput(stream_->socket().native_handle())) return;
  timed_out_ = true;
  const bool is_told_to_end = phase_ == Phase::kIdle && shared_.draining;
  if (phase_ != Phase::kClosing && !is_told_to_end) ++shared_.counts.timed_out;
  CancelWait();
}

// One that goes on is not idle, nor is one that is kept waiting.
void Connection::LookAtBody(Clock::time_point now) {
  if (rate_ && rate_->bytes() < body_bytes_seen_ + kBusyBodyBytes) return;
  if (rate_) body_bytes_seen_ = rate_->bytes();
  slot_->SetIdle(now);
}

// Nobody is told: a word would need time in which it holds its place.
bool Connection::GiveWay(bool) {
  if (phase_ != Phase::kClosing && HasInput(stream_->socket().native_handle())) return false;
  timed_out_ = true;
  slot_->Release();
  boost::system::error_code ignored;
  stream_->socket().close(ignored);
  return true;
}

void Connection::CancelWait() {
  boost::system::error_code ignored;
  stream_->socket().cancel(ignored);
}

// Its client may have sent a request already, and will hear nothing of it once we have said that
// nothing follows. What comes until the sweep finds nothing is answered, and that answer says
// Connection: close.
void Connection::Drain() {
  if (phase_ == Phase::kIdle) deadline_ = std::min(deadline_, Clock::now() + kLastRequest);
}

asio::awaitable<void> Connection::Serve() {
  // The sweep and the answers hold no share of the connection; this frame does.
  const auto self = shared_from_this();
  if (!co_await stream_->Handshake()) {
    const Version version = co_await Begin();
    is_http2_ = version == Version::kHttp2;
    if (is_http2_) co_return;
    bool goes_on = version == Version::kHttp1;
    while (goes_on) {
      goes_on = co_await ServeOne();
    }
  }
  stream_->ShutDown();
  co_await Linger();
}

// What the client still sends is thrown away for a moment: closing at once would reset the
// connection and take the answer with it. 4 MiB, which is more than a body that was refused when it
// had begun may still have by default.
asio::awaitable<void> Connection::Linger() {
  Enter(Phase::kClosing);
  std::string().swap(in_);
  for (int i = 0; i < 64 && !timed_out_; ++i) {
    // GCC 12 evaluates a co_await behind && or || whatever stands before it.
    const size_t bytes = co_await stream_->ReadSome(asio::buffer(shared_.thrown_away));
    if (bytes == 0) break;
  }
}

std::optional<Connection::Http2> Connection::TakeHttp2() {
  if (!is_http2_) return std::nullopt;
  return Http2{std::move(stream_), std::move(in_)};
}

// The first bytes tell (RFC 9113, 3.4): no request of HTTP/1.1 that is served begins with the
// preface.
asio::awaitable<Connection::Version> Connection::Begin() {
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  if (stream_->protocol() == "h2") co_return Version::kHttp2;
  Enter(Phase::kIdle);
  // Who has chosen HTTP/1.1 in TLS's handshake is held to it.
  const bool may_be_http2 = stream_->protocol() != "http/1.1";
  while (may_be_http2 && in_.size() < kPreface.size() && kPreface.starts_with(in_)) {
    const bool more = co_await ReadMore();
    if (!more && timed_out_ && !in_.empty()) co_await RefuseHead({408, kSlowHead});
    if (!more) co_return Version::kNone;
    if (phase_ == Phase::kIdle) {
      shared_.spin.Arrived(Clock::now());
      Enter(Phase::kHead);
    }
  }
  const bool is_http2 = may_be_http2 && in_.starts_with(kPreface);
  co_return is_http2 ? Version::kHttp2 : Version::kHttp1;
}

asio::awaitable<bool> Connection::ReadMore(size_t most) {
  const size_t old_size = in_.size();
  const size_t chunk = most > 0 ? std::min(most, body_chunk_bytes_) : kReadBytes;
  if (in_.empty() && in_.capacity() > 2 * chunk) std::string().swap(in_);
  in_.resize(old_size + chunk);
  const size_t bytes = co_await stream_->ReadSome(asio::buffer(in_.data() + old_size, chunk));
  in_.resize(old_size + bytes);
  if (bytes == body_chunk_bytes_) body_chunk_bytes_ = std::min(2 * bytes, kMostBodyReadBytes);
  if (bytes < body_chunk_bytes_ / 4)
    body_chunk_bytes_ = std::max(body_chunk_bytes_ / 2, kReadBytes);
  co_return bytes > 0 && !timed_out_;
}

asio::awaitable<bool> Connection::ServeOne() {
  std::optional<Head> head = co_await ReadHead();
  if (!head) {
    if (refusal_) co_await RefuseHead(*refusal_);
    co_return false;
  }
  const bool with_body = head->request.method != "HEAD";
  std::optional<HttpResponse> screened = shared_.handler.Screen(head->request, peer_);
  if (!screened && head->content_length.value_or(0) > shared_.options.max_body_bytes) {
    screened = shared_.handler.Refuse(head->request, peer_, 413, "the body is too large");
  }
  if (screened) {
    // A body that was not read would be taken for the next request.
    const bool keep_alive = head->keep_alive && !head->has_body() && !shared_.draining;
    co_return co_await Write(std::move(*screened), keep_alive, with_body) && keep_alive;
  }
  slot_->SetAsked(Clock::now());
  if (!co_await ReadBody(*head)) {
    if (!refusal_) co_return false;
    ++shared_.counts.refused;
    co_await Write(shared_.handler.Refuse(head->request, peer_, refusal_->status, refusal_->reason),
                   false, with_body);
    co_return false;
  }
  const bool is_only_one = co_await IsOnlyOne();
  HttpResponse response = co_await Answer(std::move(head->request), is_only_one);
  const bool keep_alive = head->keep_alive && !response.close && !shared_.draining;
  co_return co_await Write(std::move(response), keep_alive, with_body) && keep_alive;
}

asio::awaitable<void> Connection::RefuseHead(Refusal refusal) {
  ++shared_.counts.refused;
  co_await Write(PlainRefusal(refusal.status, refusal.reason), false, true);
}

asio::awaitable<std::optional<Head>> Connection::ReadHead() {
  if (in_.empty()) {
    if (in_.capacity() > kReadBytes) std::string().swap(in_);  // Idle clients hold little.
    Enter(Phase::kIdle);
    const bool more = co_await ReadMore();
    if (!more) co_return std::nullopt;
    shared_.spin.Arrived(Clock::now());
  }
  Enter(Phase::kHead);
  while (true) {
    const auto found = FindHeadEnd(in_);
    if (const auto* refusal = std::get_if<Refusal>(&found)) {
      refusal_ = *refusal;
      co_return std::nullopt;
    }
    if (const auto end = std::get<std::optional<size_t>>(found)) {
      auto parsed = ParseHead(std::string_view(in_).substr(0, *end));
      in_.erase(0, *end);
      if (const auto* refusal = std::get_if<Refusal>(&parsed)) {
        refusal_ = *refusal;
        co_return std::nullopt;
      }
      co_return std::get<Head>(std::move(parsed));
    }
    if (!co_await ReadMore()) {
      if (timed_out_) refusal_ = Refusal{408, kSlowHead};
      co_return std::nullopt;
    }
  }
}

asio::awaitable<bool> Connection::ReadBody(Head& head) {
  if (!head.has_body()) co_return true;
  if (head.expects_continue && in_.empty()) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const std::array buffers{asio::const_buffer(kContinue.data(), kContinue.size()),
                             asio::const_buffer()};
    if (co_await stream_->Write(buffers)) co_return false;
  }
  std::string& body = head.request.body;
  const auto length = static_cast<size_t>(head.content_length.value_or(0));
  if (!head.chunked && length <= in_.size()) {
    body.assign(in_, 0, length);
    in_.erase(0, length);
    co_return true;
  }
  Enter(Phase::kBody);
  rate_.emplace(shared_.options.body_rate, phase_begin_);
  body_chunk_bytes_ = kReadBytes;
  room_.emplace(shared_.bodies, ClientOf(peer_), &floor_);
  const bool whole =
      head.chunked ? co_await ReadChunkedBody(body) : co_await ReadSizedBody(length, body);
  room_.reset();
  rate_.reset();
  if (!whole && timed_out_)
    refusal_ = Refusal{408, holds_up_others_
                                ? "the request's body took too long, while others wait for room"
                                : "the request's body took too long"};
  co_return whole;
}

void Connection::BodyArrived(size_t bytes) {
  const auto now = Clock::now();
  rate_->Arrived(bytes, now);
  room_->Arrived(bytes, now);
}

asio::awaitable<bool> Connection::ReadSizedBody(size_t length, std::string& body) {
  while (true) {
    const size_t take = std::min(length - body.size(), in_.size());
    if (!co_await HaveRoom(body.size() + take, length)) co_return false;
    body.append(in_, 0, take);
    in_.erase(0, take);
    BodyArrived(take);
    if (body.size() == length) co_return true;
    // Not the next request: what of it stays in the system's buffer holds no memory of ours.
    if (!co_await ReadMore(std::min(length - body.size(), kMostBodyReadBytes))) co_return false;
  }
}

asio::awaitable<bool> Connection::ReadChunkedBody(std::string& body) {
  ChunkedDecoder decoder(shared_.options.max_body_bytes);
  while (true) {
    // Of what has come some may be behind it.
    const size_t most = std::min(body.size() + in_.size(), shared_.options.max_body_bytes);
    if (!co_await HaveRoom(most, std::nullopt)) co_return false;
    const size_t old_size = body.size();
    in_.erase(0, decoder.Feed(in_, body));
    BodyArrived(body.size() - old_size);
    switch (decoder.state()) {
      case ChunkedDecoder::State::kDone: co_return true;
      case ChunkedDecoder::State::kMalformed:
        refusal_ = Refusal{400, "the chunked body is malformed"};
        co_return false;
      case ChunkedDecoder::State::kTooLarge:
        refusal_ = Refusal{413, "the body is too large"};
        co_return false;
      case ChunkedDecoder::State::kMore:
        if (!co_await ReadMore(kMostChunkedReadBytes)) co_return false;
    }
  }
}

// While it waits it is not read, and its client cannot be too slow.
asio::awaitable<bool> Connection::HaveRoom(size_t bytes, std::optional<size_t> length) {
  if (room_->Has(bytes)) co_return true;
  const auto begin = Clock::now();
  asio::steady_timer timer(stream_->socket().get_executor(), shared_.options.body_rate.grace);
  const auto answer = room_->Ask(bytes, length, shared_.options.max_body_bytes, begin,
                                 [&timer] { timer.cancel(); });
  if (answer == BodyRooms::Answer::kWaits) {
    // Whatever ends this, its timer is not called for any more.
    const std::unique_ptr<BodyRooms::Body, void (*)(BodyRooms::Body*)> stop(
        &*room_, [](BodyRooms::Body* body) { body->StopWaiting(); });
    const auto rate = std::exchange(rate_, std::nullopt);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    rate_ = rate;
    rate_->Forgive(Clock::now() - begin);
  }
  if (room_->Has(bytes)) co_return true;
  refusal_ = Refusal{429, "too many bodies of requests are under way"};
  co_return false;
}

// Whether no other client's request has arrived with this one: a request that the event loop
// computes itself keeps it from the others, which belong into the queue, where they are computed
// together, or refused when it is full. All that has been received is read before this returns.
asio::awaitable<bool> Connection::IsOnlyOne() {
  const Counted counted(shared_.arrived);
  co_await asio::post(stream_->socket().get_executor(), asio::use_awaitable);
  co_return shared_.arrived == 1;
}

asio::awaitable<HttpResponse> Connection::Answer(HttpRequest request, bool is_only_one) {
  Enter(Phase::kAnswering);
  const Counted counted(shared_.answering);
  const auto executor = stream_->socket().get_executor();
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(HttpResponse)>(
      [&](auto handler) {
        const auto resume = std::make_shared<decltype(handler)>(std::move(handler));
        // Whatever thread answers, the connection goes on in the event loop.
        auto respond = [this, self = shared_from_this(), executor, resume](HttpResponse response) {
          auto shared_response = std::make_shared<HttpResponse>(std::move(response));
          PostSurely(executor, [this, self, resume, shared_response] {
            asked_.reset();
            CancelWait();  // WatchForLeaving's.
            std::move (*resume)(std::move(*shared_response));
          });
        };
        const auto exchange =
            std::make_shared<Exchange>(std::move(request), peer_, std::move(respond));
        exchange->is_only_one = is_only_one;
        try {
          shared_.handler.Handle(exchange);
        } catch (...) {
          // Memory that ran out, mostly. Here it would leave the event loop and end the server.
          constexpr std::string_view kFailed = "the server failed to handle the request";
          exchange->Respond(PlainRefusal(500, kFailed), std::string(kFailed));
        }
        // What another thread answers reaches this one later than this.
        if (!exchange->answered()) WatchForLeaving(exchange);
      },
      asio::use_awaitable);
}

// A client that has closed its end is not waited for any longer: nobody can tell a client that only
// says it has no more requests from one that has gone, and computing for the latter costs others.
//
// The system tells the end of the connection, whatever bytes are before it: the next request, which
// is read when this one is answered; TLS's own words, which are not enough (its client may still
// read, and closes the connection when it does not). Whoever has left when the request comes into
// the queue is seen here, later ones as their end comes, and behind such bytes by the next sweep.
void Connection::WatchForLeaving(const ExchangePtr& exchange) {
  asked_ = exchange;
  LookForLeaving();
  if (asked_.expired()) return;
  stream_->socket().async_wait(Stream::Socket::wait_read,
                               [self = shared_from_this()](const auto& error) {
                                 if (!error) self->LookForLeaving();
                               });
}

void Connection::LookForLeaving() {
  const ExchangePtr waiting = asked_.lock();
  if (waiting == nullptr || waiting->answered()) return;
  if (!HasPeerEnded(stream_->socket().native_handle())) return;
  asked_.reset();
  ++shared_.counts.left;
  waiting->departure.Leave();
}

asio::awaitable<bool> Connection::Write(HttpResponse response, bool keep_alive, bool with_body) {
  const Counted counted(shared_.writing);
  timed_out_ = false;  // What it was for is being answered.
  Enter(Phase::kWriting);
  const std::string head = SerializeHead(response, keep_alive);
  const std::array buffers{
      asio::const_buffer(head.data(), head.size()),
      asio::const_buffer(response.body.data(), with_body ? response.body.size() : 0)};
  const bool failed = static_cast<bool>(co_await stream_->Write(buffers));
  if (shared_.answering == 0 && shared_.arrived == 0) shared_.spin.Answered(Clock::now());
  co_return !failed && !timed_out_;
}

}  // namespace akin::server
