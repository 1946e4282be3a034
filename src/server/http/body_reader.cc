#include "server/http/body_reader.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

#include "server/http/chunked.h"

namespace akin::server {

namespace asio = boost::asio;

asio::awaitable<bool> BodyReader::Read(Head& head) {
  std::string& body = head.request.body;
  const auto length = static_cast<size_t>(head.content_length.value_or(0));
  const bool whole = head.chunked ? co_await ReadChunked(body) : co_await ReadSized(length, body);
  if (!whole && is_stopped_)
    refusal_ = Refusal{408, holds_up_others_
                                ? "the request's body took too long, while others wait for room"
                                : "the request's body took too long"};
  co_return whole;
}

bool BodyReader::IsBusy() {
  if (!rate_) return true;
  if (rate_->bytes() < bytes_seen_ + ServedConnection::kBusyBodyBytes) return false;
  bytes_seen_ = rate_->bytes();
  return true;
}

bool BodyReader::IsTooSlow(Clock::time_point now) {
  holds_up_others_ = room_.HoldsUpOthers(now);
  return holds_up_others_ || (rate_ && rate_->IsTooSlow(now));
}

asio::awaitable<bool> BodyReader::ReadMore(size_t most) {
  const size_t bytes = co_await input_.ReadMore(std::min(most, read_bytes_));
  if (bytes == read_bytes_) read_bytes_ = std::min(2 * bytes, kMostReadBytes);
  if (bytes < read_bytes_ / 4) read_bytes_ = std::max(read_bytes_ / 2, kLeastReadBytes);
  co_return bytes > 0 && !is_stopped_;
}

void BodyReader::Arrived(size_t bytes) {
  const auto now = Clock::now();
  rate_->Arrived(bytes, now);
  room_.Arrived(bytes, now);
}

asio::awaitable<bool> BodyReader::ReadSized(size_t length, std::string& body) {
  while (true) {
    const size_t take = std::min(length - body.size(), input_.bytes().size());
    if (!co_await HaveRoom(body.size() + take, length)) co_return false;
    input_.MoveTo(body, take);
    Arrived(take);
    if (body.size() == length) co_return true;
    // Not the next request: what of it stays in the system's buffer holds no memory of ours.
    if (!co_await ReadMore(std::min(length - body.size(), kMostReadBytes))) co_return false;
  }
}

asio::awaitable<bool> BodyReader::ReadChunked(std::string& body) {
  const size_t max_body_bytes = shared_.options.max_body_bytes;
  ChunkedDecoder decoder(max_body_bytes);
  while (true) {
    // Of what has come some may be behind it.
    const size_t most = std::min(body.size() + input_.bytes().size(), max_body_bytes);
    if (!co_await HaveRoom(most, std::nullopt)) co_return false;
    const size_t old_size = body.size();
    input_.Drop(decoder.Feed(input_.bytes(), body));
    Arrived(body.size() - old_size);
    switch (decoder.state()) {
      case ChunkedDecoder::State::kDone: co_return true;
      case ChunkedDecoder::State::kMalformed:
        refusal_ = Refusal{400, "the chunked body is malformed"};
        co_return false;
      case ChunkedDecoder::State::kTooLarge:
        refusal_ = Refusal{413, shared_.too_large};
        co_return false;
      case ChunkedDecoder::State::kMore:
        if (!co_await ReadMore(kMostChunkedReadBytes)) co_return false;
    }
  }
}

// While it waits it is not read, and its client cannot be too slow.
asio::awaitable<bool> BodyReader::HaveRoom(size_t bytes, std::optional<size_t> length) {
  if (room_.Has(bytes)) co_return true;
  const auto begin = Clock::now();
  asio::steady_timer timer(input_.stream().socket().get_executor(), shared_.options.waiting_time);
  const auto answer =
      room_.Ask(bytes, length, shared_.options.max_body_bytes, begin, [&timer] { timer.cancel(); });
  if (answer == BodyRooms::Answer::kWaits) {
    // Whatever ends this, its timer is not called for any more.
    const std::unique_ptr<BodyRooms::Body, void (*)(BodyRooms::Body*)> stop(
        &room_, [](BodyRooms::Body* body) { body->StopWaiting(); });
    const auto rate = std::exchange(rate_, std::nullopt);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    rate_ = rate;
    const auto now = Clock::now();
    rate_->Forgive(now - begin, now);
  }
  if (room_.Has(bytes)) co_return true;
  refusal_ = Refusal{429, "too many bodies of requests are under way"};
  co_return false;
}

}  // namespace akin::server
