#include "server/http2/requests.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <optional>
#include <utility>

#include "server/budgets/body_rooms.h"
#include "server/budgets/link_rate.h"
#include "server/http/client_address.h"
#include "server/text.h"

namespace akin::server {
namespace {

constexpr std::string_view kFailed = "the server failed to handle the request";
constexpr std::string_view kNoRoom = "too many bodies of requests are under way";

// What RFC 9113, 8.2.2 forbids.
bool IsOfHttp1(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "transfer-encoding";
}

// nghttp2 has seen that it is a length, and that the body has it.
std::optional<uint64_t> ContentLength(const HttpRequest& head) {
  const std::string_view value = head.header("content-length");
  if (value.empty()) return std::nullopt;
  uint64_t length = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), length);
  return parsed.ec == std::errc::result_out_of_range ? UINT64_MAX : length;
}

}  // namespace

class Http2Requests::Stream final : public Http2StreamHandler {
 public:
  using Clock = std::chrono::steady_clock;

  Stream(Http2Requests& owner, HttpRequest head, std::string peer, Http2Responder& responder)
      : owner_(owner),
        request_(std::move(head)),
        peer_(std::move(peer)),
        room_(owner.shared_.bodies, ClientOf(peer_), responder.floor()),
        way_(std::make_shared<Way>(responder, request_.method != "HEAD")),
        shut_time_(responder.link().shut_time()) {}

  void Begin(bool ends) {
    if (auto screened = owner_.shared_.handler.Screen(request_, peer_)) return Refuse(*screened);
    length_ = ContentLength(request_);
    if (length_.value_or(0) > owner_.shared_.options.max_body_bytes) {
      return Refuse(owner_.shared_.handler.Refuse(request_, peer_, 413, owner_.shared_.too_large));
    }
    if (ends) return Arrive();
    reads_body_ = true;
    const HttpOptions& options = owner_.shared_.options;
    rate_.emplace(options.body_rate, options.body_silence, way_->responder->link(), Clock::now());
    way_->responder->SetResting(true);
    if (EqualIgnoringCase(request_.header("expect"), "100-continue"))
      way_->responder->SendHead(100, {}, false);
  }

  void OnData(std::string_view bytes) override {
    if (!reads_body_) return way_->responder->Consume(bytes.size());
    if (!waiting_since_) return Read(bytes);
    waiting_ += bytes;
    RefuseIfTooLarge(request_.body.size() + waiting_.size());
  }

  void OnEnd() override {
    if (waiting_since_) {
      end_has_come_ = true;
    } else {
      Arrive();
    }
  }

  void OnGone(bool answered) override {
    way_->responder = nullptr;
    if (answered) return;
    if (const ExchangePtr exchange = way_->exchange.lock()) exchange->departure.Leave();
  }

  void Sweep(Clock::time_point now) override {
    way_->Deliver();
    // Nobody works on it any more, and nothing has come of it: there was no memory for an answer.
    const bool is_lost =
        way_->is_asked && !way_->is_answered && way_->exchange.expired() && !way_->is_here;
    if (std::exchange(was_lost_, is_lost) && is_lost)
      return way_->responder->Reset(Http2Error::kInternalError);
    if (!reads_body_) return;
    const auto shut_time = way_->responder->link().shut_time();
    room_.Forgive(shut_time - std::exchange(shut_time_, shut_time), now);
    const bool holds_up_others = room_.HoldsUpOthers(now);
    if (waiting_since_) return SweepWaiting(now);
    if (!holds_up_others && !rate_->IsTooSlow(now)) return;
    ++owner_.shared_.counts.timed_out;
    RefuseBody(408, holds_up_others ? "the request's body took too long, while others wait for room"
                                    : "the request's body took too long");
  }

  bool is_waiting_for_room() const override { return waiting_since_ && room_.is_waiting(); }
  void RefuseForRoom() override { RefuseBody(429, kNoRoom); }

 private:
  // To the client, as long as it is there.
  struct Way {
    Way(Http2Responder& the_responder, bool has_body)
        : responder(&the_responder), with_body(has_body) {}

    Http2Responder* responder;
    const bool with_body;
    std::weak_ptr<Exchange> exchange = {};
    bool is_asked = false, is_answered = false;
    HttpResponse answer = {};  // Written by whoever answers, before
    std::atomic<bool> is_here = false;

    // What is here, of the event loop.
    void Deliver();
    void Answer(HttpResponse response);
  };
  struct Arrived {
    HttpRequest request;
    std::string peer;
  };

  // What has come of the body; or it waits, if there is no room for it.
  void Read(std::string_view bytes) {
    const size_t all = request_.body.size() + bytes.size();
    if (RefuseIfTooLarge(all)) return way_->responder->Consume(bytes.size());
    const auto now = Clock::now();
    switch (Ask(all, now)) {
      case BodyRooms::Answer::kNone: RefuseForRoom(); break;
      case BodyRooms::Answer::kWaits:
        waiting_since_ = now;
        waiting_ = bytes;
        return way_->responder->SetResting(false);
      case BodyRooms::Answer::kRoom:
        request_.body += bytes;
        rate_->Arrived(bytes.size(), now);
        room_.Arrived(bytes.size(), now);
    }
    way_->responder->Consume(bytes.size());
  }

  BodyRooms::Answer Ask(size_t bytes, Clock::time_point now) {
    if (room_.Has(bytes)) return BodyRooms::Answer::kRoom;
    const size_t most = owner_.shared_.options.max_body_bytes;
    return room_.Ask(bytes, length_, most, now, WhenThereIsRoom());
  }

  // Soon: it comes while another body ends. If there is no memory for that, when it is swept.
  std::function<void()> WhenThereIsRoom() {
    return [this, way = way_] {
      try {
        owner_.server_.Post([this, way] {
          if (way->responder == nullptr) return;
          try {
            GoOn();
          } catch (...) {  // Memory that ran out.
            way->responder->Reset(Http2Error::kInternalError);
          }
        });
      } catch (...) {
      }
    };
  }

  void SweepWaiting(Clock::time_point now) {
    // There was no memory to say so, or another one of its connection has left the floor.
    if (!room_.is_waiting() || room_.TakeFloor(request_.body.size() + waiting_.size()))
      return GoOn();
    if (owner_.given_up_.MayEnd(*waiting_since_, owner_.shared_.options.waiting_time, now))
      RefuseForRoom();
  }

  void GoOn() {
    if (!waiting_since_ || room_.is_waiting()) return;
    const auto now = Clock::now();
    rate_->Forgive(now - *waiting_since_, now);
    waiting_since_.reset();
    way_->responder->SetResting(true);
    Read(std::exchange(waiting_, {}));
    if (end_has_come_ && !waiting_since_) Arrive();
  }

  // The request is whole.
  void Arrive() {
    reads_body_ = false;
    room_.Clear();
    if (is_refused_) return;
    way_->responder->SetResting(false);
    // With what is needed to go on without this, which may be gone then.
    const auto arrived = std::make_shared<Arrived>(Arrived{std::move(request_), std::move(peer_)});
    owner_.server_.Settle([way = way_, arrived, &owner = owner_](bool is_only_one) {
      if (way->responder == nullptr) return;
      try {
        Handle(owner, way, std::move(*arrived), is_only_one);
      } catch (...) {  // Memory that ran out.
        way->responder->Reset(Http2Error::kInternalError);
      }
    });
  }

  static void Handle(Http2Requests& owner, const std::shared_ptr<Way>& way, Arrived arrived,
                     bool is_only_one) {
    auto respond = [way, &server = owner.server_](HttpResponse response) {
      way->answer = std::move(response);
      way->is_here = true;
      try {
        server.Post([way] { way->Deliver(); });
      } catch (...) {  // Memory that ran out: the next sweep delivers it.
      }
    };
    const auto exchange = std::make_shared<Exchange>(std::move(arrived.request),
                                                     std::move(arrived.peer), std::move(respond));
    exchange->is_only_one = is_only_one;
    way->exchange = exchange;
    way->is_asked = true;
    try {
      owner.shared_.handler.Handle(exchange);
    } catch (...) {
      // Memory that ran out, mostly. Here it would leave the event loop and end the server.
      exchange->Respond(
          {.status = 500, .content_type = "text/plain", .body = StrCat(kFailed, '\n')},
          std::string(kFailed));
    }
  }

  void Refuse(HttpResponse response) {
    is_refused_ = true;
    reads_body_ = false;
    room_.Clear();
    request_ = HttpRequest();
    waiting_since_.reset();
    if (!waiting_.empty()) way_->responder->Consume(std::exchange(waiting_, {}).size());
    way_->Answer(std::move(response));
  }
  void RefuseBody(int status, std::string_view reason) {
    ++owner_.shared_.counts.refused;
    Refuse(owner_.shared_.handler.Refuse(request_, peer_, status, reason));
  }

  // -> whether a body of so many bytes is.
  bool RefuseIfTooLarge(size_t bytes) {
    if (bytes <= owner_.shared_.options.max_body_bytes) return false;
    RefuseBody(413, owner_.shared_.too_large);
    return true;
  }

  Http2Requests& owner_;
  HttpRequest request_;  // Until it has arrived.
  std::string peer_;
  std::optional<uint64_t> length_;  // As its head has it.
  BodyRooms::Body room_;            // Until it has come whole.
  const std::shared_ptr<Way> way_;
  // Since when it waits for room, and what has come then.
  std::optional<Clock::time_point> waiting_since_;
  std::string waiting_;
  bool end_has_come_ = false;
  bool reads_body_ = false, is_refused_ = false;
  bool was_lost_ = false;         // At the last sweep.
  std::optional<LinkRate> rate_;  // Of a body that is read.
  Link::Duration shut_time_;      // Of its connection, at the last sweep.
};

void Http2Requests::Stream::Way::Deliver() {
  if (!is_here.exchange(false)) return;
  try {
    Answer(std::move(answer));
  } catch (...) {  // Memory that ran out.
    if (responder != nullptr) responder->Reset(Http2Error::kInternalError);
  }
}

void Http2Requests::Stream::Way::Answer(HttpResponse response) {
  if (responder == nullptr) return;
  is_answered = true;
  responder->LetGoOfHead();
  std::vector<HttpHeader> headers;
  ForEachHeader(response, [&](std::string_view name, std::string_view value) {
    std::string lower = AsciiLower(name);
    if (!IsOfHttp1(lower)) headers.push_back({std::move(lower), std::string(value)});
  });
  const bool has_body = with_body && !response.body.empty();
  responder->SendHead(response.status, std::move(headers), !has_body);
  if (!has_body) return;
  responder->SendData(std::move(response.body), true,
                      [until_written = std::move(response.until_written)] {});
}

std::unique_ptr<Http2StreamHandler> Http2Requests::Begin(HttpRequest head, std::string peer,
                                                         bool ends, Http2Responder& responder) {
  auto stream = std::make_unique<Stream>(*this, std::move(head), std::move(peer), responder);
  stream->Begin(ends);
  return stream;
}

}  // namespace akin::server
