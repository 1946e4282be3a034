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

  virtual Socket& socket() = 0;
};

std::unique_ptr<Stream> MakePlainStream(Stream::Socket socket);
std::unique_ptr<Stream> MakeTlsStream(Stream::Socket socket, boost::asio::ssl::context& context);

// What is chosen of the protocols that a client offers (ALPN, RFC 7301), as its lists are written.
inline constexpr std::string_view kAlpnHttp2 = "\x02h2";

// TLS 1.2 and later, with a certificate chain and its key. `alpn` is one of the above; none: what
// is offered is not looked at. Error: InvalidInput.
Result<std::shared_ptr<boost::asio::ssl::context>> MakeTlsContext(const std::string& cert_path,
                                                                  const std::string& key_path,
                                                                  std::string_view alpn = {});

}  // namespace akin::server
