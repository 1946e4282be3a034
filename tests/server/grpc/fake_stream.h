// A stream of HTTP/2 without a transport, and an event loop that runs when it is told to.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http2/handler.h"

namespace akin::server {

inline std::string Framed(std::string_view message, char compressed = 0) {
  std::string out(1, compressed);
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(message.size() >> shift & 255);
  return out.append(message);
}

class FakeResponder final : public Http2Responder {
 public:
  void SendHead(int the_status, std::vector<HttpHeader> the_headers, bool ends) override {
    status = the_status;
    headers = std::move(the_headers);
    ended = ends;
  }
  void SendData(std::string bytes, bool ends, std::function<void()> sent) override {
    data.push_back(std::move(bytes));
    unsent.push_back(std::move(sent));
    ended = ends;
  }
  void SendTrailers(std::vector<HttpHeader> the_trailers) override {
    trailers = std::move(the_trailers);
    ended = true;
  }
  void Reset(Http2Error code) override { reset = code; }
  void Consume(size_t bytes) override { consumed += bytes; }
  void SetResting(bool does) override { rests = does; }
  MessageBudget::Floor* floor() override { return connection_floor; }
  const Link& link() const override { return connection_link; }

  // The client has taken the first answer that it has not.
  void Take() {
    const auto sent = std::move(unsent.front());
    unsent.pop_front();
    sent();
  }
  std::string Header(std::string_view name) const { return Of(headers, name); }
  std::string Trailer(std::string_view name) const { return Of(trailers, name); }

  int status = 0;
  std::vector<HttpHeader> headers, trailers;
  std::vector<std::string> data;
  std::deque<std::function<void()>> unsent;
  std::optional<Http2Error> reset;
  size_t consumed = 0;
  bool ended = false, rests = false;
  MessageBudget::Floor* connection_floor = nullptr;
  Link connection_link;

 private:
  static std::string Of(const std::vector<HttpHeader>& headers, std::string_view name) {
    for (const HttpHeader& header : headers) {
      if (header.name == name) return header.value;
    }
    return {};
  }
};

class FakeLoop {
 public:
  auto Post() {
    return [this](std::function<void()> call) {
      const std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
    };
  }
  auto Settle() {
    return [this](std::function<void(bool)> call) {
      ++arrived;
      Post()([this, call = std::move(call)] { call(arrived-- == 1); });
    };
  }
  // All that has been posted, and what that posts.
  void Run() {
    while (const auto call = Next()) call();
  }

  int arrived = 0;

 private:
  std::function<void()> Next() {
    const std::lock_guard lock(mutex_);
    if (calls_.empty()) return {};
    auto call = std::move(calls_.front());
    calls_.pop_front();
    return call;
  }

  std::mutex mutex_;
  std::deque<std::function<void()>> calls_;  // Guarded by mutex_.
};

}  // namespace akin::server
