#include "backends/python/message_reader.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace akin::backends::python {
namespace {

// So that a child that floods the socket does not keep the thread from its other duties.
constexpr int kMostReads = 64;
// Read past the small buffer, straight to where they belong, from so many bytes on.
constexpr size_t kDirectBytes = size_t{64} << 10;

char* Place(Exchange& exchange, size_t byte) {
  return reinterpret_cast<char*>(exchange.values.data()) + byte;
}

}  // namespace

Result<bool> MessageReader::Receive(int socket, MessageHandler& handler) {
  std::array<char, kDirectBytes> buffer;
  for (int i = 0; i < kMostReads; ++i) {
    const bool direct = receiver_ != nullptr && payload_left_ >= kDirectBytes;
    char* const to = direct ? Place(*receiver_, payload_taken_) : buffer.data();
    const ssize_t got = recv(socket, to, direct ? payload_left_ : buffer.size(), MSG_DONTWAIT);
    if (got == 0) return false;
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      if (errno == ECONNRESET) return false;
      return MakeError(ErrorCode::kServiceUnavailable, "its socket: ", std::strerror(errno));
    }
    const auto count = static_cast<size_t>(got);
    if (direct) {
      payload_left_ -= count;
      payload_taken_ += count;
      if (payload_left_ == 0) EndPayload(handler);
    } else {
      AKIN_TRY(Take({buffer.data(), count}, handler));
    }
  }
  return true;
}

void MessageReader::EndPayload(MessageHandler& handler) {
  handler.TakeBytes(std::exchange(receiver_, nullptr));
  payload_taken_ = 0;
}

void MessageReader::TakePayload(std::string_view& bytes, MessageHandler& handler) {
  const size_t count = std::min(payload_left_, bytes.size());
  if (receiver_ != nullptr) std::memcpy(Place(*receiver_, payload_taken_), bytes.data(), count);
  payload_left_ -= count;
  payload_taken_ += count;
  bytes.remove_prefix(count);
  if (payload_left_ == 0) EndPayload(handler);
}

Status MessageReader::Take(std::string_view bytes, MessageHandler& handler) {
  while (!bytes.empty()) {
    if (payload_left_ > 0) {
      TakePayload(bytes, handler);
      continue;
    }
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() > kMaxLineBytes)
      return Internal("not of the protocol: a line is longer than ", kMaxLineBytes, " bytes");
    if (end == bytes.npos) {
      line_ += piece;
      return {};
    }
    std::string_view line = piece;
    if (!line_.empty()) line = line_ += piece;
    bytes.remove_prefix(end + 1);
    AKIN_TRY(handler.TakeLine(line, payload_left_, receiver_));
    line_.clear();
    if (line_.capacity() > kDirectBytes) line_.shrink_to_fit();
  }
  return {};
}

}  // namespace akin::backends::python
