#include "fuzz/http2_targets.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "fuzz/support.h"
#include "server/http/syntax.h"
#include "server/http2/session.h"

namespace akin::fuzz {
namespace {

using server::Http2Responder;
using server::Http2Session;
using server::HttpHeader;
using server::HttpRequest;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Taken {
  std::string method, path, query, host, body;
  bool has_ended = false;
  int gone = 0;

  friend bool operator==(const Taken&, const Taken&) = default;
};

// Keeps what comes; where it answers, with what has come, in pieces and with trailers.
class Keeper final : public server::Http2Handler {
 public:
  explicit Keeper(bool answers) : answers_(answers) {}

  std::unique_ptr<server::Http2StreamHandler> Begin(HttpRequest head, std::string, bool ends,
                                                    Http2Responder& responder) override {
    Require(server::IsToken(head.method) && !head.path.empty());
    Require(head.path[0] == '/' || head.path == "*");
    Require(server::IsAuthority(head.header("host")));
    for (const HttpHeader& header : head.headers) {
      Require(server::IsToken(header.name) && server::IsFieldValue(header.value));
      Require(std::ranges::none_of(header.name, [](char c) { return c >= 'A' && c <= 'Z'; }));
      Require(header.name != "connection" && header.name != "transfer-encoding");
    }
    taken.push_back({.method = head.method,
                     .path = head.path,
                     .query = head.query,
                     .host = std::string(head.header("host"))});
    auto stream = std::make_unique<Stream>(*this, taken.back(), responder);
    if (ends) stream->OnEnd();
    return stream;
  }

  std::deque<Taken> taken;

 private:
  class Stream final : public server::Http2StreamHandler {
   public:
    Stream(Keeper& keeper, Taken& taken, Http2Responder& responder)
        : keeper_(keeper), taken_(taken), responder_(responder) {}
    void OnData(std::string_view bytes) override {
      Require(!taken_.has_ended && taken_.gone == 0);
      taken_.body += bytes;
      responder_.Consume(bytes.size());
    }
    void OnEnd() override {
      Require(!taken_.has_ended && taken_.gone == 0);
      taken_.has_ended = true;
      if (!keeper_.answers_) return;
      responder_.SendHead(200, {{"a", "b"}}, false);
      responder_.SendData(taken_.body, false, nullptr);
      responder_.SendData("", false, nullptr);
      responder_.SendTrailers({{"c", "d"}});
    }
    void OnGone(bool) override {
      ++taken_.gone;
      // Of a body that turns out to be wrong more or less may have come.
      if (!taken_.has_ended) taken_.body.clear();
    }
    void Sweep(Http2Session::TimePoint) override {}

   private:
    Keeper& keeper_;
    Taken& taken_;
    Http2Responder& responder_;
  };

  const bool answers_;
};

// In pieces of so many bytes; as long as the session wants more, if it `fills`. -> whether there
// was too much of something.
bool Converse(std::string_view bytes, size_t piece, Keeper& keeper, bool fills) {
  Http2Session::TimePoint now{std::chrono::seconds(1)};
  bool had_excess = false;
  {
    Http2Session session(keeper, {.peer = "", .wake = nullptr});
    session.Receive(kPreface, now);
    while (!bytes.empty()) {
      const bool goes_on = session.Receive(bytes.substr(0, piece), now) || !fills;
      bytes.remove_prefix(std::min(piece, bytes.size()));
      Require(session.num_streams() <= Http2Session::kMaxStreams);
      if (fills) {
        std::string out;
        session.Fill(out, 1 << 16);
        session.Written();
        session.Sweep(now += std::chrono::milliseconds(200));
      }
      if (!goes_on) break;
    }
    had_excess = !session.excess().empty();
  }
  for (const Taken& taken : keeper.taken) Require(taken.gone == 1);
  return had_excess;
}

}  // namespace

void ReadHttp2(std::string_view bytes) {
  Keeper whole(false), by_byte(false), talking(true);
  const bool had_excess = Converse(bytes, std::max<size_t>(bytes.size(), 1), whole, false);
  const bool has_it_too = Converse(bytes, 1, by_byte, false);
  // Where there is too much of something, more of what is before it is taken when it comes apart.
  if (!had_excess && !has_it_too) Require(whole.taken == by_byte.taken);
  Converse(bytes, 100, talking, true);
}

}  // namespace akin::fuzz
