#include "server/http/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <utility>

#include "server/text.h"

namespace akin::server {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;
using boost::system::error_code;

// The system keeps no more, unless it is told to; who comes meanwhile is not waited for.
constexpr size_t kMostOfBacklog = 4096;
// Out of descriptors or memory: somebody will give some back.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

bool IsOutOfDescriptors(const error_code& error) {
  return error == boost::system::errc::too_many_files_open ||
         error == boost::system::errc::too_many_files_open_in_system;
}

// A longer path makes Local::endpoint throw; the address ends in a zero.
constexpr size_t kMostOfPath = sizeof(sockaddr_un::sun_path) - 1;

Tcp::endpoint AsTcp(const asio::generic::stream_protocol::endpoint& endpoint) {
  Tcp::endpoint tcp;
  const size_t size = std::min(endpoint.size(), tcp.capacity());
  std::memcpy(tcp.data(), endpoint.data(), size);
  tcp.resize(size);
  return tcp;
}

// Where the system does not know an option, it keeps its own times.
void SetTcpOptions(Stream::Socket& socket) {
  error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const auto set = [&](int option, int value) {
    setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  };
#ifdef TCP_KEEPIDLE
  set(TCP_KEEPIDLE, static_cast<int>(Listener::kSilence.count()));
#endif
#ifdef TCP_KEEPINTVL
  set(TCP_KEEPINTVL, static_cast<int>(Listener::kProbeInterval.count()));
  set(TCP_KEEPCNT, Listener::kNumProbes);
#endif
}

}  // namespace

Listener::Listener(asio::io_context& context, Hooks hooks)
    : context_(context), hooks_(std::move(hooks)), acceptor_(context), pause_(context) {}

Status Listener::BindTcp(const std::string& host, uint16_t port, std::string_view what,
                         std::string_view why) {
  error_code error;
  Tcp::resolver resolver(context_);
  const auto found = resolver.resolve(
      host, std::to_string(port), Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
  if (error || found.empty()) return InvalidInput("--host ", host, ": ", error.message());
  const Tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return {};
  const bool is_v6 = host.find(':') != std::string::npos;
  const std::string shown = is_v6 ? StrCat('[', host, ']') : host;
  return MakeError(akin::ErrorCode::kServiceUnavailable, what, shown, ':', port, why,
                   error.message());
}

Status Listener::BindLocal(const std::string& path) {
  if (path.size() > kMostOfPath)
    return InvalidInput("--unix-socket: the path has ", path.size(),
                        " bytes; a socket's has at most ", kMostOfPath);
  struct stat info;
  error_code error;
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode))
      return MakeError(akin::ErrorCode::kServiceUnavailable, "cannot listen on ", path,
                       ": there is a file, and it is no socket");
    Local::socket probe(context_);
    probe.connect(Local::endpoint(path), error);
    if (error == asio::error::connection_refused) unlink(path.c_str());
    error.clear();
  }
  is_local_ = true;
  acceptor_.open(Local(), error);
  if (!error) acceptor_.bind(Local::endpoint(path), error);
  if (!error && lstat(path.c_str(), &info) == 0) {
    path_ = path;
    file_ = {info.st_dev, info.st_ino};
  }
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return {};
  return MakeError(akin::ErrorCode::kServiceUnavailable, "cannot listen on ", path, ": ",
                   error.message());
}

uint16_t Listener::port() const {
  if (is_local_ || !acceptor_.is_open()) return 0;
  error_code ignored;
  return AsTcp(acceptor_.local_endpoint(ignored)).port();
}

// Not another server's, that has taken the name since. While the socket is open its inode's number
// is given to no other file, hence before it is closed. (What takes the name between the look and
// the removal is removed; there is no system call for both.)
void Listener::RemovePath() {
  struct stat info;
  if (path_.empty()) return;
  if (lstat(path_.c_str(), &info) == 0 && FileId{info.st_dev, info.st_ino} == file_)
    unlink(path_.c_str());
  path_.clear();
}

void Listener::Close() {
  RemovePath();
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

void Listener::CloseBehindThoseWhoCame() {
  WelcomeThoseWhoCame(kMostOfBacklog);
  Close();
}

bool Listener::WelcomeThoseWhoCame(size_t at_most) {
  error_code error;
  bool all_are_welcome = true;
  if (acceptor_.is_open()) acceptor_.non_blocking(true, error);
  for (size_t i = 0; i < at_most && acceptor_.is_open() && !error && hooks_.has_room(); ++i) {
    Stream::Socket socket(context_);
    acceptor_.accept(socket, error);
    if (!error) all_are_welcome &= Welcome(std::move(socket));
    if (error == asio::error::connection_aborted) error.clear();  // One that has gone.
  }
  return all_are_welcome;
}

void Listener::KeepAccepting() {
  if (*is_accepting_ || !acceptor_.is_open()) return;
  if (has_begun_) hooks_.failed("memory has run out");
  has_begun_ = true;
  *is_accepting_ = true;
  try {
    asio::co_spawn(context_, Accept(), asio::detached);
  } catch (...) {
    *is_accepting_ = false;
    throw;
  }
}

// Whatever it throws, and where the event loop lets go of it without a word because there was no
// memory to go on: KeepAccepting begins anew. It ends with the context at the latest, which
// outlives the listener.
asio::awaitable<void> Listener::Accept() {
  struct Until {
    std::shared_ptr<bool> flag;
    ~Until() { *flag = false; }
  };
  const Until end{is_accepting_};
  while (acceptor_.is_open()) {
    if (!hooks_.has_room()) {
      co_await Pause(std::chrono::hours(1));
      continue;
    }
    error_code error;
    // There may be none any more when somebody comes, and who comes waits then.
    co_await acceptor_.async_wait(Acceptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, error));
    if (!error && !hooks_.has_room()) continue;
    Stream::Socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    // Whom the system has handed over before the listener was closed is welcome.
    if (error && !acceptor_.is_open()) break;
    if (error) hooks_.failed(error.message());
    if (IsOutOfDescriptors(error)) hooks_.make_room();
    bool is_welcome = !error && Welcome(std::move(socket));
    // A turn of the loop serves every connection that has something to do: one accepted a turn
    // would wait behind all of them as often as there are others before it.
    if (is_welcome) is_welcome = WelcomeThoseWhoCame(kAcceptsATurn - 1);
    if (!is_welcome) co_await Pause(kAcceptPause);
  }
}

asio::awaitable<void> Listener::Pause(std::chrono::milliseconds at_most) {
  error_code ignored;
  pause_.expires_after(at_most);
  co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

bool Listener::Welcome(Stream::Socket socket) {
  try {
    std::string peer = "unix";
    if (!is_local_) {
      SetTcpOptions(socket);
      error_code error;
      const auto endpoint = socket.remote_endpoint(error);
      peer = error ? "unknown" : AsTcp(endpoint).address().to_string();
    }
    hooks_.welcome(std::move(socket), std::move(peer));
    return true;
  } catch (const std::exception& failure) {
    hooks_.failed(failure.what());
    return false;
  }
}

}  // namespace akin::server
