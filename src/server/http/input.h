// What has arrived of a connection of HTTP/1.1 and is not yet taken: heads, bodies, and the
// beginning of whatever follows them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/stream.h"

namespace akin::server {

class Input {
 public:
  // Which outlives what is read of it.
  explicit Input(Stream& stream) : stream_(stream) {}

  // At most so many bytes -> how many; 0: nothing follows.
  boost::asio::awaitable<size_t> ReadMore(size_t most);

  std::string_view bytes() const { return bytes_; }
  // From the front.
  void Drop(size_t count) { bytes_.erase(0, count); }
  void MoveTo(std::string& out, size_t count) {
    out.append(bytes_, 0, count);
    Drop(count);
  }
  std::string TakeAll() { return std::exchange(bytes_, {}); }
  // When it is empty: no more memory than for so many bytes.
  void Shrink(size_t most) {
    if (bytes_.empty() && bytes_.capacity() > most) std::string().swap(bytes_);
  }

  Stream& stream() { return stream_; }

 private:
  Stream& stream_;
  std::string bytes_;
};

}  // namespace akin::server
