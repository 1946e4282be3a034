// The bytes of a connection, whatever carries them: TCP, a Unix socket, TLS.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace boost::asio::ssl {
class context;
}

namespace akin::server {

class Stream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using ErrorCode = boost::system::error_code;

  virtual ~Stream() = default;

  virtual boost::asio::awaitable<ErrorCode> Handshake() = 0;
  // Some bytes; 0 with an error, end of file included.
  virtual boost::asio::awaitable<size_t> ReadSome(boost::asio::mutable_buffer buffer) = 0;
  virtual boost::asio::awaitable<ErrorCode> Write(
      std::array<boost::asio::const_buffer, 2> buffers) = 0;
  // Says that nothing follows.
  virtual void ShutDown() = 0;

  // What the handshake has agreed on (ALPN); empty: nothing.
  virtual std::string_view protocol() const { return {}; }

  virtual Socket& socket() = 0;
};

std::unique_ptr<Stream> MakePlainStream(Stream::Socket socket);
std::unique_ptr<Stream> MakeTlsStream(Stream::Socket socket, boost::asio::ssl::context& context);

// TLS 1.2 and later, with a certificate chain and its key, for HTTP/2 and HTTP/1.1. Error:
// InvalidInput.
Result<std::shared_ptr<boost::asio::ssl::context>> MakeTlsContext(const std::string& cert_path,
                                                                  const std::string& key_path);

}  // namespace akin::server
