#include "server/http/stream.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "server/text.h"

namespace akin::server {
namespace {

namespace asio = boost::asio;

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Socket socket) : socket_(std::move(socket)) {}

  asio::awaitable<ErrorCode> Handshake() override { co_return ErrorCode(); }
  asio::awaitable<size_t> ReadSome(asio::mutable_buffer buffer) override {
    ErrorCode error;
    co_return co_await socket_.async_read_some(buffer,
                                               asio::redirect_error(asio::use_awaitable, error));
  }
  asio::awaitable<ErrorCode> Write(std::array<asio::const_buffer, 2> buffers) override {
    ErrorCode error;
    co_await asio::async_write(socket_, buffers, asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  void ShutDown() override {
    ErrorCode ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  Socket& socket() override { return socket_; }

 private:
  Socket socket_;
};

class TlsStream final : public Stream {
 public:
  TlsStream(Socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}

  asio::awaitable<ErrorCode> Handshake() override {
    ErrorCode error;
    co_await stream_.async_handshake(asio::ssl::stream_base::server,
                                     asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  asio::awaitable<size_t> ReadSome(asio::mutable_buffer buffer) override {
    ErrorCode error;
    co_return co_await stream_.async_read_some(buffer,
                                               asio::redirect_error(asio::use_awaitable, error));
  }
  asio::awaitable<ErrorCode> Write(std::array<asio::const_buffer, 2> buffers) override {
    ErrorCode error;
    co_await asio::async_write(stream_, buffers, asio::redirect_error(asio::use_awaitable, error));
    co_return error;
  }
  // Every answer states its length, so that nobody needs TLS's own end.
  void ShutDown() override {
    ErrorCode ignored;
    stream_.next_layer().shutdown(Socket::shutdown_send, ignored);
  }
  std::string_view protocol() const override {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    // Asio's handle is not const; what it is asked is.
    auto& stream = const_cast<asio::ssl::stream<Socket>&>(stream_);
    SSL_get0_alpn_selected(stream.native_handle(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  Socket& socket() override { return stream_.next_layer(); }

 private:
  asio::ssl::stream<Socket> stream_;
};

// Of the protocols that a client offers (ALPN, RFC 7301). One that offers none of ours is left to
// say what it wants in clear words.
int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

std::unique_ptr<Stream> MakePlainStream(Stream::Socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

std::unique_ptr<Stream> MakeTlsStream(Stream::Socket socket, asio::ssl::context& context) {
  return std::make_unique<TlsStream>(std::move(socket), context);
}

Result<std::shared_ptr<asio::ssl::context>> MakeTlsContext(const std::string& cert_path,
                                                           const std::string& key_path) {
  const auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  context->use_certificate_chain_file(cert_path, error);
  if (error) return InvalidInput("--tls-cert ", cert_path, ": ", error.message());
  context->use_private_key_file(key_path, asio::ssl::context::pem, error);
  if (error) return InvalidInput("--tls-key ", key_path, ": ", error.message());
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return InvalidInput("--tls-key ", key_path, " is not the key of the certificate in ",
                        cert_path);
  }
  // A client may not make the server sign again and again on one connection (1.3 has it no more),
  // and sessions go on by tickets, of which nothing is kept.
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context->native_handle(), SelectProtocol, nullptr);
  return context;
}

}  // namespace akin::server
