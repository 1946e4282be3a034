#include "server/http/http_server.h"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "server/http/client_address.h"
#include "server/http/connection.h"
#include "server/http/connection_slots.h"
#include "server/http/listener.h"
#include "server/http/post_surely.h"
#include "server/http/stream.h"
#include "server/http2/connection.h"
#include "server/http2/requests.h"
#include "server/text.h"

namespace akin::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto kSweepInterval = std::chrono::milliseconds(200);
// So late the event loop has been held up: the process was stopped, or had no core.
constexpr auto kHeldUp = std::chrono::seconds(1);

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
    return For(head).Begin(std::move(head), std::move(peer), ends, responder);
  }
  Http2Handler& For(const HttpRequest& head) override {
    const bool is_grpc =
        grpc != nullptr && head.header("content-type").starts_with("application/grpc");
    return is_grpc ? *grpc : http;
  }

  Http2Handler& http;
  Http2Handler* grpc = nullptr;
};

class AsioHttpServer final : public HttpServer {
 public:
  AsioHttpServer(const HttpOptions& options, HttpHandler& handler)
      : options_(options),
        shared_{.options = options_, .handler = handler, .counts = counts_},
        tcp_(context_, HooksFor(true)),
        local_(context_, HooksFor(false)),
        grpc_tcp_(context_, HooksFor(true)),
        signals_(context_) {}

  Status Bind() {
    if (!options_.tls_cert.empty() || !options_.tls_key.empty()) {
      if (options_.tls_cert.empty() || options_.tls_key.empty()) {
        return InvalidInput("--tls-cert and --tls-key go together");
      }
      AKIN_TRY_ASSIGN(tls_, MakeTlsContext(options_.tls_cert, options_.tls_key));
    }
    if (options_.port)
      AKIN_TRY(tcp_.BindTcp(options_.host, *options_.port, "cannot listen on ", ": "));
    if (!options_.unix_socket.empty()) AKIN_TRY(local_.BindLocal(options_.unix_socket));
    return {};
  }

  void set_grpc(Http2Handler& handler) override { router_.grpc = &handler; }
  Result<uint16_t> ListenForGrpc(uint16_t port) override {
    AKIN_TRY(
        grpc_tcp_.BindTcp(options_.host, port, "--grpc-port: cannot listen on ", " for gRPC: "));
    return grpc_tcp_.port();
  }

  uint16_t port() const override { return tcp_.port(); }
  HttpCounts counts() const override {
    HttpCounts counts = counts_;
    counts.under_way = shared_.answering + shared_.writing;
    counts.open = static_cast<int64_t>(connections_.size());
    return counts;
  }

  void Run() override {
    const auto work = asio::make_work_guard(context_);  // Also while nobody is accepted.
    is_running_ = true;
    for (Listener* listener : listeners_) WithoutExceptions([&] { listener->KeepAccepting(); });
    auto next_sweep = Clock::now() + kSweepInterval;
    bool was_held_up = false;
    while (!context_.stopped()) {
      // What throws here, mostly for want of memory, ends what it was for and nothing else.
      WithoutExceptions([&] { RunOne(next_sweep); });
      const auto now = Clock::now();
      if (now < next_sweep) continue;
      const auto late = now - next_sweep;
      const bool is_held_up = late >= kHeldUp;
      next_sweep = now + kSweepInterval;
      if (is_held_up) {
        for (ServedConnection* connection : connections_) connection->HeldUp(late, now);
      }
      // What has come meanwhile is read before its clients are too late; not twice, or nobody ever
      // would be.
      if (!std::exchange(was_held_up, is_held_up) && is_held_up) continue;
      Sweep(now);
    }
    is_running_ = false;
    for (ServedConnection* connection : connections_) connection->Abandon();
  }
  void OnSignals(std::function<void(int)> call) override {
    error_code ignored;
    signals_.add(SIGTERM, ignored);
    signals_.add(SIGINT, ignored);
    struct sigaction present = {};
    const bool keeps_running = sigaction(SIGHUP, nullptr, &present) == 0 &&
                               present.sa_handler == SIG_IGN;  // As under nohup.
    if (!keeps_running) signals_.add(SIGHUP, ignored);
    on_signal_ = std::move(call);
    AwaitSignal();
  }
  void Every(std::chrono::milliseconds interval, std::function<void()> call) override {
    repeated_.push_back({interval, Clock::now() + interval, std::move(call)});
  }
  void After(std::chrono::milliseconds delay, std::function<void()> call) override {
    const auto timer = std::make_shared<asio::steady_timer>(context_, delay);
    timer->async_wait([timer, call = std::move(call)](const error_code& error) {
      if (!error) call();
    });
  }
  void Drain() override {
    shared_.draining = true;
    for (Listener* listener : listeners_) listener->CloseBehindThoseWhoCame();
    for (ServedConnection* connection : connections_) connection->Drain();
    Post([this] { StopIfDrained(); });  // Behind clients that have been accepted just now.
  }
  void Settle(std::function<void(bool)> call) override {
    Post([this, call = std::move(call)] {
      const bool is_only_one = shared_.arrived-- == 1;
      call(is_only_one);
    });
    ++shared_.arrived;
  }
  void Post(std::function<void()> call) override {
    PostSurely(context_.get_executor(), [call = std::move(call)] { WithoutExceptions(call); });
  }
  void Stop() override { context_.stop(); }

 private:
  using Clock = ServedConnection::Clock;
  using SlotPtr = std::shared_ptr<ConnectionSlots::Slot>;

  // Among the connections from when it is accepted until the coroutine has ended that serves it,
  // whatever ends that.
  class Served {
   public:
    Served(AsioHttpServer& server, ServedConnection& connection, SlotPtr slot)
        : server_(server), slot_(std::move(slot)), connection_(&connection) {
      server_.connections_.insert(connection_);
      slot_->holder = connection_;
    }
    ~Served() {
      server_.connections_.erase(connection_);
      slot_->Release();
      if (server_.is_running_) server_.OneHasEnded();
    }
    void Become(ServedConnection& next) {
      server_.connections_.insert(&next);
      server_.connections_.erase(std::exchange(connection_, &next));
      slot_->holder = connection_;
    }
    const SlotPtr& slot() const { return slot_; }
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;

   private:
    AsioHttpServer& server_;
    const SlotPtr slot_;
    ServedConnection* connection_;
  };

  Listener::Hooks HooksFor(bool takes_tls) {
    return {.has_room = [this] { return slots_.has_room(Clock::now()); },
            .welcome =
                [this, takes_tls](Stream::Socket socket, std::string peer) {
                  Welcome(std::move(socket), std::move(peer), takes_tls ? tls_.get() : nullptr);
                },
            .failed =
                [this](std::string_view why) {
                  WithoutExceptions([&] { shared_.handler.OnAcceptFailed(why); });
                },
            // For whoever it is, as for a client that has no connection.
            .make_room = [this] { WithoutExceptions([&] { MakeRoom({}); }); }};
  }

  void RunOne(Clock::time_point until) {
    if (!options_.may_spin || !shared_.spin.Spins(Clock::now())) {
      context_.run_one_until(until);
    } else if (context_.poll_one() == 0) {
      std::this_thread::yield();  // The client may be waiting for this very core.
    }
  }

  // A few times a second, outside of the event loop's own calls: it mends what these have lost.
  void Sweep(Clock::time_point now) {
    for (ServedConnection* connection : connections_) {
      WithoutExceptions([&] { connection->Sweep(now); });
    }
    for (Listener* listener : listeners_) {
      WithoutExceptions([&] { listener->KeepAccepting(); });
      listener->LookForRoom();  // Connections may be idle that were not.
    }
    WithoutExceptions([&] { AwaitSignal(); });
    for (Repeated& repeated : repeated_) {
      if (now < repeated.next) continue;
      repeated.next = now + repeated.interval;
      WithoutExceptions(repeated.call);
    }
  }

  void AwaitSignal() {
    if (awaits_signal_ || !on_signal_) return;
    signals_.async_wait([this](const error_code& error, int number) {
      awaits_signal_ = false;
      if (!error) on_signal_(number);
      if (!error) AwaitSignal();
    });
    awaits_signal_ = true;
  }

  void Welcome(Stream::Socket socket, std::string peer, asio::ssl::context* tls) {
    ++counts_.accepted;
    const std::string client = ClientOf(peer);
    if (!slots_.Admits(client) && !MakeRoom(client)) {
      ++counts_.turned_away;
      return shared_.handler.OnCrowded(client, true);
    }
    auto slot = std::make_shared<ConnectionSlots::Slot>(slots_, client, Clock::now());
    auto stream = tls != nullptr ? MakeTlsStream(std::move(socket), *tls)
                                 : MakePlainStream(std::move(socket));
    auto connection = std::make_shared<Connection>(std::move(stream), peer, shared_, slot);
    auto served = std::make_unique<Served>(*this, *connection, std::move(slot));
    // An exception is memory that ran out; it ends this connection and no other.
    asio::co_spawn(context_, Serve(std::move(connection), std::move(peer), std::move(served)),
                   asio::detached);
  }

  // Ends an idle connection for one of `client`, if there is one that may be.
  bool MakeRoom(const std::string& client) {
    constexpr int kMostTries = 16;  // Each is a look at a socket.
    const auto now = Clock::now();
    for (int i = 0; i < kMostTries; ++i) {
      ConnectionSlots::Slot* const idle = slots_.IdleFor(client, now);
      if (idle == nullptr) return false;
      const std::string whose = idle->client();
      if (idle->holder != nullptr && idle->holder->GiveWay(slots_.may_tell())) {
        ++counts_.gave_way;
        shared_.handler.OnCrowded(whose, false);
        return true;
      }
      idle->Postpone(now);  // It is about to be read.
    }
    return false;
  }

  // In HTTP/1.1, or in what it turns out to speak.
  asio::awaitable<void> Serve(std::shared_ptr<Connection> connection, std::string peer,
                              std::unique_ptr<Served> served) {
    co_await connection->Serve();
    auto http2 = connection->TakeHttp2();
    if (!http2) co_return;
    const auto next =
        std::make_shared<Http2Connection>(std::move(http2->stream), std::move(http2->bytes),
                                          std::move(peer), shared_, router_, served->slot());
    served->Become(*next);
    connection.reset();
    co_await next->Serve();
  }

  void OneHasEnded() {
    for (Listener* listener : listeners_) listener->LookForRoom();
    StopIfDrained();
  }
  void StopIfDrained() {
    if (shared_.draining && connections_.empty()) context_.stop();
  }

  struct Repeated {
    std::chrono::milliseconds interval;
    Clock::time_point next;
    std::function<void()> call;
  };

  const HttpOptions options_;
  HttpCounts counts_;
  ServedShared shared_;
  Http2Requests requests_{shared_, *this};
  Router router_{requests_};
  std::shared_ptr<asio::ssl::context> tls_;
  std::set<ServedConnection*> connections_;
  ConnectionSlots slots_{options_.max_connections};
  bool is_running_ = false;
  // Before what runs on it; behind what coroutines that it ends with look at (Served).
  asio::io_context context_{1};
  Listener tcp_, local_, grpc_tcp_;
  const std::array<Listener*, 3> listeners_{&tcp_, &local_, &grpc_tcp_};
  asio::signal_set signals_;
  std::function<void(int)> on_signal_;
  bool awaits_signal_ = false;
  std::vector<Repeated> repeated_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(const HttpOptions& options,
                                                       HttpHandler& handler) {
  auto server = std::make_unique<AsioHttpServer>(options, handler);
  AKIN_TRY(server->Bind());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace akin::server
