#include "server/http/http_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "server/http/connection.h"
#include "server/http/stream.h"
#include "server/http2/connection.h"
#include "server/http2/requests.h"
#include "server/text.h"

namespace akin::server {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;
using boost::system::error_code;

constexpr auto kSweepInterval = std::chrono::milliseconds(200);
// Out of descriptors: somebody will close one.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

// An exception is memory that ran out, mostly; it costs what is called, not the event loop.
template <typename Call>
void WithoutExceptions(const Call& call) {
  try {
    call();
  } catch (...) {
  }
}

// Whom requests of HTTP/2 are for.
struct Router final : Http2Handler {
  explicit Router(Http2Handler& http_handler) : http(http_handler) {}

  std::unique_ptr<Http2StreamHandler> Begin(HttpRequest head, std::string peer, bool ends,
                                            Http2Responder& responder) override {
    const bool is_grpc =
        grpc != nullptr && head.header("content-type").starts_with("application/grpc");
    return (is_grpc ? *grpc : http).Begin(std::move(head), std::move(peer), ends, responder);
  }

  Http2Handler& http;
  Http2Handler* grpc = nullptr;
};

class AsioHttpServer final : public HttpServer {
 public:
  AsioHttpServer(const HttpOptions& options, HttpHandler& handler)
      : options_(options),
        shared_{.options = options_, .handler = handler, .counts = counts_},
        tcp_(context_),
        local_(context_),
        grpc_tcp_(context_),
        signals_(context_),
        sweep_timer_(context_),
        room_(context_) {}
  ~AsioHttpServer() override { RemoveSocketFile(); }

  Status Bind() {
    if (!options_.tls_cert.empty() || !options_.tls_key.empty()) {
      if (options_.tls_cert.empty() || options_.tls_key.empty()) {
        return InvalidInput("--tls-cert and --tls-key go together");
      }
      AKIN_TRY_ASSIGN(tls_, MakeTlsContext(options_.tls_cert, options_.tls_key));
    }
    if (options_.port) AKIN_TRY(BindTcp(tcp_, *options_.port, "cannot listen on ", ": "));
    if (!options_.unix_socket.empty()) AKIN_TRY(BindLocal());
    return {};
  }

  void set_grpc(Http2Handler& handler) override { router_.grpc = &handler; }
  Result<uint16_t> ListenForGrpc(uint16_t port) override {
    AKIN_TRY(BindTcp(grpc_tcp_, port, "--grpc-port: cannot listen on ", " for gRPC: "));
    return PortOf(grpc_tcp_);
  }

  uint16_t port() const override { return PortOf(tcp_); }
  HttpCounts counts() const override {
    HttpCounts counts = counts_;
    counts.under_way = shared_.answering + shared_.writing;
    counts.open = static_cast<int64_t>(connections_.size());
    return counts;
  }

  void Run() override {
    if (tcp_.is_open()) Spawn(Accept(tcp_, tls_.get()));
    if (local_.is_open()) Spawn(Accept(local_, nullptr));
    if (grpc_tcp_.is_open()) Spawn(Accept(grpc_tcp_, tls_.get()));
    Spawn(SweepForEver());
    while (!context_.stopped()) {
      if (!options_.may_spin || !shared_.spin.Spins(ServedConnection::Clock::now())) {
        context_.run_one();
      } else if (context_.poll_one() == 0) {
        std::this_thread::yield();  // The client may be waiting for this very core.
      }
    }
    for (ServedConnection* connection : connections_) connection->Abandon();
  }
  void OnSignals(std::function<void(int)> call) override {
    error_code ignored;
    signals_.add(SIGTERM, ignored);
    signals_.add(SIGINT, ignored);
    AwaitSignal(std::move(call));
  }
  void After(std::chrono::milliseconds delay, std::function<void()> call) override {
    const auto timer = std::make_shared<asio::steady_timer>(context_, delay);
    timer->async_wait([timer, call = std::move(call)](const error_code& error) {
      if (!error) call();
    });
  }
  void Drain() override {
    shared_.draining = true;
    error_code ignored;
    tcp_.close(ignored);
    local_.close(ignored);
    grpc_tcp_.close(ignored);
    RemoveSocketFile();
    room_.cancel();
    for (ServedConnection* connection : connections_) connection->Drain();
    StopIfDrained();
  }
  void Settle(std::function<void(bool)> call) override {
    ++shared_.arrived;
    Post([this, call = std::move(call)] {
      const bool is_only_one = shared_.arrived-- == 1;
      call(is_only_one);
    });
  }
  void Post(std::function<void()> call) override {
    asio::post(context_, [call = std::move(call)] { WithoutExceptions(call); });
  }
  void Stop() override { context_.stop(); }

 private:
  void RemoveSocketFile() {
    if (!bound_path_.empty()) unlink(bound_path_.c_str());
    bound_path_.clear();
  }

  static uint16_t PortOf(const Tcp::acceptor& acceptor) {
    error_code ignored;
    return acceptor.is_open() ? acceptor.local_endpoint(ignored).port() : uint16_t{0};
  }

  Status BindTcp(Tcp::acceptor& acceptor, uint16_t port, std::string_view what,
                 std::string_view why) {
    error_code error;
    Tcp::resolver resolver(context_);
    const auto found =
        resolver.resolve(options_.host, std::to_string(port),
                         Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
    if (error || found.empty()) {
      return InvalidInput("--host ", options_.host, ": ", error.message());
    }
    const Tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    const bool is_v6 = options_.host.find(':') != std::string::npos;
    const std::string host = is_v6 ? StrCat('[', options_.host, ']') : options_.host;
    return MakeError(akin::ErrorCode::kServiceUnavailable, what, host, ':', port, why,
                     error.message());
  }

  // A socket that nobody listens on any more is a leftover and is replaced; anything else under the
  // name is left alone.
  Status BindLocal() {
    const std::string& path = options_.unix_socket;
    struct stat info;
    error_code error;
    if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) {
      Local::socket probe(context_);
      probe.connect(Local::endpoint(path), error);
      if (error == asio::error::connection_refused) unlink(path.c_str());
      error.clear();
    }
    if (path.size() > 100) return InvalidInput("--unix-socket: the path is too long");
    local_.open(Local(), error);
    if (!error) local_.bind(Local::endpoint(path), error);
    if (!error) bound_path_ = path;
    if (!error) local_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    return MakeError(akin::ErrorCode::kServiceUnavailable, "cannot listen on ", path, ": ",
                     error.message());
  }

  void Spawn(asio::awaitable<void> coroutine) {
    asio::co_spawn(context_, std::move(coroutine), asio::detached);
  }

  void AwaitSignal(std::function<void(int)> call) {
    signals_.async_wait(
        [this, call = std::move(call)](const error_code& error, int number) mutable {
          if (error) return;
          call(number);
          AwaitSignal(std::move(call));
        });
  }

  template <typename Acceptor>
  asio::awaitable<void> Accept(Acceptor& acceptor, asio::ssl::context* tls) {
    while (acceptor.is_open()) {
      if (connections_.size() >= options_.max_connections) {
        co_await WaitForRoom(std::chrono::hours(1));
        continue;
      }
      error_code error;
      auto socket =
          co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted || !acceptor.is_open()) break;
      if (error) {
        co_await WaitForRoom(kAcceptPause);
        continue;
      }
      ++counts_.accepted;
      Welcome(std::move(socket), tls);
    }
  }

  asio::awaitable<void> WaitForRoom(std::chrono::milliseconds at_most) {
    error_code ignored;
    room_.expires_after(at_most);
    co_await room_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  static std::string PeerOf(const Tcp::socket& socket) {
    error_code error;
    const auto endpoint = socket.remote_endpoint(error);
    return error ? "unknown" : endpoint.address().to_string();
  }
  static std::string PeerOf(const Local::socket&) { return "unix"; }

  template <typename Socket>
  void Welcome(Socket socket, asio::ssl::context* tls) {
    error_code ignored;
    if constexpr (std::is_same_v<Socket, Tcp::socket>) {
      socket.set_option(Tcp::no_delay(true), ignored);
    }
    const std::string peer = PeerOf(socket);
    Stream::Socket generic(std::move(socket));
    auto stream = tls != nullptr ? MakeTlsStream(std::move(generic), *tls)
                                 : MakePlainStream(std::move(generic));
    const auto connection = std::make_shared<Connection>(std::move(stream), peer, shared_);
    connections_.insert(connection.get());
    asio::co_spawn(context_, Serve(connection, peer), [this, connection](std::exception_ptr) {
      // An exception is memory that ran out; it ends this connection and no other.
      connections_.erase(connection.get());
      room_.cancel();
      StopIfDrained();
    });
  }

  // In HTTP/1.1, or in what it turns out to speak.
  asio::awaitable<void> Serve(std::shared_ptr<Connection> connection, std::string peer) {
    co_await connection->Serve();
    auto http2 = connection->TakeHttp2();
    if (!http2) co_return;
    const auto next = std::make_shared<Http2Connection>(
        std::move(http2->stream), std::move(http2->bytes), std::move(peer), shared_, router_);
    connections_.insert(next.get());
    connections_.erase(connection.get());
    std::exception_ptr failure;
    try {
      co_await next->Serve();
    } catch (...) {
      failure = std::current_exception();
    }
    connections_.erase(next.get());
    if (failure) std::rethrow_exception(failure);
  }

  void StopIfDrained() {
    if (shared_.draining && connections_.empty()) context_.stop();
  }

  asio::awaitable<void> SweepForEver() {
    while (true) {
      error_code ignored;
      sweep_timer_.expires_after(kSweepInterval);
      co_await sweep_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      const auto now = ServedConnection::Clock::now();
      for (ServedConnection* connection : connections_) {
        WithoutExceptions([&] { connection->Sweep(now); });
      }
    }
  }

  const HttpOptions options_;
  HttpCounts counts_;
  ServedShared shared_;
  Http2Requests requests_{shared_, *this};
  Router router_{requests_};
  std::shared_ptr<asio::ssl::context> tls_;
  std::set<ServedConnection*> connections_;
  asio::io_context context_{1};  // Before what runs on it.
  Tcp::acceptor tcp_;
  Local::acceptor local_;
  Tcp::acceptor grpc_tcp_;
  asio::signal_set signals_;
  asio::steady_timer sweep_timer_;
  asio::steady_timer room_;  // Cancelled when a connection ends.
  std::string bound_path_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(const HttpOptions& options,
                                                       HttpHandler& handler) {
  auto server = std::make_unique<AsioHttpServer>(options, handler);
  AKIN_TRY(server->Bind());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace akin::server
