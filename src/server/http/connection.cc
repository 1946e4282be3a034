#include "server/http/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "server/http/client_address.h"
#include "server/http/post_surely.h"
#include "server/http/socket_state.h"
#include "server/text.h"

namespace akin::server {
namespace {

namespace asio = boost::asio;

// At once, while a head is awaited: 2,000 idle clients hold 4 MB.
constexpr size_t kReadBytes = size_t{2} << 10;

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
    : stream_(std::move(stream)),
      input_(*stream_),
      peer_(std::move(peer)),
      shared_(shared),
      slot_(std::move(slot)) {
  Enter(Phase::kHead);  // A handshake takes no longer than a head.
}

void Connection::Enter(Phase phase) {
  phase_ = phase;
  phase_begin_ = Clock::now();
  const bool waits_for_us = phase == Phase::kAnswering || phase == Phase::kWriting;
  waits_for_us ? slot_->SetBusy() : slot_->SetIdle(phase_begin_);
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
  if (body_ && body_->IsBusy()) slot_->SetIdle(now);  // Behind others.
  const bool is_slow = body_ && body_->IsTooSlow(now);
  if (now < deadline_ && !is_slow) return;
  // About to be read.
  if (phase_ == Phase::kIdle && HasInput(stream_->socket().native_handle())) return;
  SetTimedOut();
  const bool is_told_to_end = phase_ == Phase::kIdle && shared_.draining;
  if (phase_ != Phase::kClosing && !is_told_to_end) ++shared_.counts.timed_out;
  CancelWait();
}

void Connection::SetTimedOut() {
  timed_out_ = true;
  if (body_) body_->Stop();
}

// Nobody is told: a word would need time in which it holds its place.
bool Connection::GiveWay(bool) {
  if (phase_ != Phase::kClosing && HasInput(stream_->socket().native_handle())) return false;
  SetTimedOut();
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
  input_.TakeAll();
  for (int i = 0; i < 64 && !timed_out_; ++i) {
    // GCC 12 evaluates a co_await behind && or || whatever stands before it.
    const size_t bytes = co_await stream_->ReadSome(asio::buffer(shared_.thrown_away));
    if (bytes == 0) break;
  }
}

std::optional<Connection::Http2> Connection::TakeHttp2() {
  if (!is_http2_) return std::nullopt;
  return Http2{std::move(stream_), input_.TakeAll()};
}

// The first bytes tell (RFC 9113, 3.4): no request of HTTP/1.1 that is served begins with the
// preface.
asio::awaitable<Connection::Version> Connection::Begin() {
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  if (stream_->protocol() == "h2") co_return Version::kHttp2;
  Enter(Phase::kIdle);
  // Who has chosen HTTP/1.1 in TLS's handshake is held to it.
  const bool may_be_http2 = stream_->protocol() != "http/1.1";
  while (may_be_http2 && input_.bytes().size() < kPreface.size() &&
         kPreface.starts_with(input_.bytes())) {
    const bool more = co_await ReadMore();
    if (!more && timed_out_ && !input_.bytes().empty()) co_await RefuseHead({408, kSlowHead});
    if (!more) co_return Version::kNone;
    if (phase_ == Phase::kIdle) {
      shared_.spin.Arrived(Clock::now());
      Enter(Phase::kHead);
    }
  }
  const bool is_http2 = may_be_http2 && input_.bytes().starts_with(kPreface);
  co_return is_http2 ? Version::kHttp2 : Version::kHttp1;
}

asio::awaitable<bool> Connection::ReadMore() {
  const size_t bytes = co_await input_.ReadMore(kReadBytes);
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
    screened = shared_.handler.Refuse(head->request, peer_, 413, shared_.too_large);
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
  if (input_.bytes().empty()) {
    input_.Shrink(kReadBytes);  // Idle clients hold little.
    Enter(Phase::kIdle);
    const bool more = co_await ReadMore();
    if (!more) co_return std::nullopt;
    shared_.spin.Arrived(Clock::now());
  }
  Enter(Phase::kHead);
  while (true) {
    const auto found = FindHeadEnd(input_.bytes());
    if (const auto* refusal = std::get_if<Refusal>(&found)) {
      refusal_ = *refusal;
      co_return std::nullopt;
    }
    if (const auto end = std::get<std::optional<size_t>>(found)) {
      auto parsed = ParseHead(input_.bytes().substr(0, *end));
      input_.Drop(*end);
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
  if (head.expects_continue && input_.bytes().empty()) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const std::array buffers{asio::const_buffer(kContinue.data(), kContinue.size()),
                             asio::const_buffer()};
    if (co_await stream_->Write(buffers)) co_return false;
  }
  const auto length = static_cast<size_t>(head.content_length.value_or(0));
  if (!head.chunked && length <= input_.bytes().size()) {
    input_.MoveTo(head.request.body, length);
    co_return true;
  }
  Enter(Phase::kBody);
  body_.emplace(input_, shared_, ClientOf(peer_), floor_, phase_begin_);
  if (timed_out_) body_->Stop();  // While it was told to continue.
  const bool whole = co_await body_->Read(head);
  refusal_ = body_->refusal();
  body_.reset();
  co_return whole;
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
