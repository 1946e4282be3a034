#include "server/http2/answer.h"

#include <algorithm>
#include <utility>

namespace akin::server {

void Http2Answer::Add(std::string bytes, std::function<void()> sent) {
  pieces_.push_back({std::move(bytes), 0, std::move(sent)});
}

void Http2Answer::End(std::optional<std::vector<HttpHeader>> trailers) {
  has_ended_ = true;
  trailers_ = std::move(trailers);
}

void Http2Answer::EndWithoutData() { has_ended_ = ends_without_data_ = true; }

size_t Http2Answer::QueuedBytes(size_t most) const {
  size_t bytes = 0;
  for (const Piece& piece : pieces_) {
    bytes += piece.bytes.size() - piece.at;
    if (bytes >= most) return most;
  }
  return bytes;
}

std::optional<Http2Answer::Next> Http2Answer::Peek(size_t room) const {
  if (ends_without_data_) return std::nullopt;
  const size_t queued = QueuedBytes(room + 1);
  Next next{.bytes = std::min(queued, room)};
  next.is_last = has_ended_ && queued <= room;
  if (next.bytes == 0 && !next.is_last) return std::nullopt;
  if (next.is_last && trailers_) next.trailers = &*trailers_;
  return next;
}

size_t Http2Answer::Take(size_t bytes, std::string& out) {
  const uint64_t before = num_taken_;
  while (!pieces_.empty()) {
    Piece& piece = pieces_.front();
    const size_t part = std::min(bytes, piece.bytes.size() - piece.at);
    out.append(piece.bytes, piece.at, part);
    bytes_taken_ += part;
    piece.at += part;
    bytes -= part;
    if (piece.at < piece.bytes.size()) break;
    if (piece.sent) taken_.push_back(std::move(piece.sent));
    pieces_.pop_front();
    ++num_taken_;
  }
  return num_taken_ - before;
}

void Http2Answer::Written() {
  for (const auto& sent : std::exchange(taken_, {})) sent();
}

bool Http2Answer::IsStuck(TimePoint now, std::chrono::milliseconds longest) {
  if (pieces_.empty() || stuck_at_ != num_taken_) stuck_since_.reset();
  stuck_at_ = num_taken_;
  if (pieces_.empty()) return false;
  if (!stuck_since_) stuck_since_ = now;
  return now - *stuck_since_ >= longest;
}

}  // namespace akin::server
