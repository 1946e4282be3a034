// A port or a Unix socket, and its clients as they come, whatever goes wrong meanwhile.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "server/http/stream.h"

namespace akin::server {

// Of the event loop's thread.
class Listener {
 public:
  struct Hooks {
    std::function<bool()> has_room;  // For one more client.
    // A client; what this throws costs that client. `peer`: its address, or "unix".
    std::function<void(Stream::Socket socket, std::string peer)> welcome;
    std::function<void(std::string_view why)> failed;  // To accept one; it goes on.
    // It has failed because too many files are open: somebody is to end.
    std::function<void()> make_room = [] {};
  };
  // A connection whose other end has gone without a word is noticed after the first of these and
  // kNumProbes of the second.
  static constexpr std::chrono::seconds kSilence{60}, kProbeInterval{10};
  static constexpr int kNumProbes = 3;
  // Clients that wait are accepted so many at a time, between the work of those who are there.
  static constexpr size_t kAcceptsATurn = 16;

  Listener(boost::asio::io_context& context, Hooks hooks);
  ~Listener() { Close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // `what` and `why` stand before the address and the reason in an error. Errors: InvalidInput,
  // ServiceUnavailable.
  Status BindTcp(const std::string& host, uint16_t port, std::string_view what,
                 std::string_view why);
  // A socket that nobody listens on any more is a leftover and is replaced; anything else under the
  // name is left alone. At the end it is removed, if the name is still its own.
  Status BindLocal(const std::string& path);

  // The TCP port; 0 without one.
  uint16_t port() const;
  // Accepts from now on, if it is bound and does not yet. To be called again a few times a second:
  // it begins anew when something has ended it, such as memory that ran out.
  void KeepAccepting();
  // There may be room again.
  void LookForRoom() { pause_.cancel(); }
  void Close();
  // Those whom the system has accepted already are welcomed first, as far as there is room: closing
  // would reset their connections, whatever they have sent.
  void CloseBehindThoseWhoCame();

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

  boost::asio::awaitable<void> Accept();
  boost::asio::awaitable<void> Pause(std::chrono::milliseconds at_most);
  bool Welcome(Stream::Socket socket);
  // Those who wait, without waiting for one. Whether nothing was thrown for any of them; what the
  // system says is for the next accept to find.
  bool WelcomeThoseWhoCame(size_t at_most);
  void RemovePath();

  // Which file a name stands for, whatever its name.
  struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileId&) const = default;
  };

  boost::asio::io_context& context_;
  const Hooks hooks_;
  Acceptor acceptor_;
  boost::asio::steady_timer pause_;  // Its own: two that wait with one end each other's wait.
  std::string path_;                 // Of the Unix socket that is to be removed,
  FileId file_;                      // and what it was when it was made.
  bool is_local_ = false;
  bool has_begun_ = false;
  const std::shared_ptr<bool> is_accepting_ = std::make_shared<bool>(false);  // The coroutine's.
};

}  // namespace akin::server
