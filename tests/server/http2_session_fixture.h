// A session, whoever asks it and whoever answers: for the tests of http2/session.h.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "http2_client.h"
#include "server/http2/session.h"

namespace akin::server {

using TimePoint = Http2Session::TimePoint;

// What has happened to one request.
struct Seen {
  HttpRequest head;
  bool ends_at_once = false;
  std::string body;
  bool has_ended = false;
  int gone = 0;
  bool answered = false;
  int sweeps = 0;
  Http2Responder* responder = nullptr;  // Until it is gone.
};

// Keeps what comes, and answers what it is told to.
class Recorder final : public Http2Handler {
 public:
  std::unique_ptr<Http2StreamHandler> Begin(HttpRequest head, std::string peer, bool ends,
                                            Http2Responder& responder) override {
    EXPECT_EQ(peer, "somebody");
    seen.push_back(std::make_unique<Seen>());
    Seen& one = *seen.back();
    one.head = std::move(head);
    one.ends_at_once = ends;
    one.responder = &responder;
    if (one.head.path == "/throw") throw std::bad_alloc();
    if (one.head.path == "/null") return nullptr;
    if (ends && on_end) on_end(one);
    return std::make_unique<Handler>(*this, one);
  }
  void Refuse(bool with_body, int status, std::string_view reason,
              Http2Responder& responder) override {
    ++refused;
    if (refusing_throws) throw std::bad_alloc();
    Http2Handler::Refuse(with_body, status, reason, responder);
  }
  Http2Handler& For(const HttpRequest& head) override {
    const bool is_others = other != nullptr && head.header("content-type") == "other";
    return is_others ? *other : *this;
  }

  std::vector<std::unique_ptr<Seen>> seen;
  std::function<void(Seen&)> on_end;
  bool consumes = true;
  int refused = 0;
  bool refusing_throws = false;
  Recorder* other = nullptr;  // Whose the requests are of the content type "other".

 private:
  class Handler final : public Http2StreamHandler {
   public:
    Handler(Recorder& recorder, Seen& seen) : recorder_(recorder), seen_(seen) {}
    void OnData(std::string_view bytes) override {
      if (bytes.find("throw") != bytes.npos) throw std::bad_alloc();
      seen_.body += bytes;
      if (recorder_.consumes) seen_.responder->Consume(bytes.size());
    }
    void OnEnd() override {
      EXPECT_FALSE(seen_.has_ended);
      seen_.has_ended = true;
      if (recorder_.on_end) recorder_.on_end(seen_);
    }
    void OnGone(bool answered) override {
      // As late as this it has no effect.
      seen_.responder->SendHead(200, {}, true);
      seen_.responder->Consume(1000);
      seen_.responder->Reset(Http2Error::kCancel);
      seen_.responder = nullptr;
      ++seen_.gone;
      seen_.answered = answered;
    }
    void Sweep(TimePoint) override {
      ++seen_.sweeps;
      if (seen_.head.path == "/throw-later") throw std::bad_alloc();
    }

   private:
    Recorder& recorder_;
    Seen& seen_;
  };
};

inline void Answer(Seen& seen, std::string body) {
  seen.responder->SendHead(200, {{"x-a", "b"}}, false);
  seen.responder->SendData(std::move(body), true, nullptr);
}

// A client, a session, and the wire between them.
struct Pair {
  explicit Pair(bool takes_data = true, StreamBudget* streams = nullptr,
                const nghttp2_mem* memory = nullptr)
      : client(takes_data),
        session(handler, {.peer = "somebody",
                          .write_timeout = std::chrono::seconds(30),
                          .streams = streams,
                          .memory = memory,
                          .wake = [this] { ++wakes; }}) {}

  // Both ways, as long as there is something.
  void Talk() {
    for (bool goes_on = true; goes_on;) {
      const std::string said = client.Take();
      if (!said.empty()) wants_more = session.Receive(said, now) && wants_more;
      goes_on = Reply() || !said.empty();
    }
  }
  bool Reply(size_t most = 1 << 20) {
    std::string out;
    session.Fill(out, most);
    longest_fill = std::max(longest_fill, out.size());
    const bool any = !out.empty();
    if (any) {
      last_said = out;
      EXPECT_TRUE(client.Give(out));
      session.Written();
      ++writes;
    }
    return any;
  }

  TimePoint now{std::chrono::seconds(1000)};
  Recorder handler;
  Http2Client client;
  int wakes = 0;
  Http2Session session;
  bool wants_more = true;
  int writes = 0;
  size_t longest_fill = 0;
  std::string last_said;  // By the session.
};

inline Fields With(Fields fields, std::string name, std::string value) {
  for (auto& [old, given] : fields) {
    if (old == name && name[0] == ':') {
      given = std::move(value);
      return fields;
    }
  }
  fields.emplace_back(std::move(name), std::move(value));
  return fields;
}
inline Fields Without(Fields fields, const std::string& name) {
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return fields;
}

}  // namespace akin::server
