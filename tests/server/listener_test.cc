#include "server/http/listener.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace akin::server {
namespace {

Listener::Hooks NoHooks() {
  return {.has_room = [] { return true; },
          .welcome = [](Stream::Socket, const std::string&) {},
          .failed = [](std::string_view) {}};
}

class Folder {
 public:
  Folder() { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "akin-XXXXXX").string();
};

// A path of so many bytes in `folder`.
std::string PathOf(const Folder& folder, size_t size) {
  return folder.path() + "/" + std::string(size - folder.path().size() - 1, 's');
}

// A socket that nobody listens on any more, `path` relative to the working directory.
void LeaveSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(socket);
}

constexpr size_t kMost = sizeof(sockaddr_un::sun_path) - 1;

TEST(Listener, APathThatIsTooLongIsRefusedWhetherOrNotASocketIsThere) {
  const Folder folder;
  const std::string path = PathOf(folder, kMost + 1);
  boost::asio::io_context context;
  for (const bool is_there : {false, true}) {
    if (is_there) {  // By a shorter name.
      const auto before = std::filesystem::current_path();
      std::filesystem::current_path(folder.path());
      LeaveSocket(path.substr(folder.path().size() + 1));
      std::filesystem::current_path(before);
      ASSERT_TRUE(std::filesystem::exists(path));
    }
    Listener listener(context, NoHooks());
    const Status status = listener.BindLocal(path);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidInput);
    EXPECT_EQ(status.error().message(), "--unix-socket: the path has " + std::to_string(kMost + 1) +
                                            " bytes; a socket's has at most " +
                                            std::to_string(kMost));
  }
}

TEST(Listener, TheLongestPathIsTakenAndALeftoverReplaced) {
  const Folder folder;
  const std::string path = PathOf(folder, kMost);
  LeaveSocket(path);
  boost::asio::io_context context;
  Listener listener(context, NoHooks());
  EXPECT_TRUE(listener.BindLocal(path));
}

TEST(Listener, TheSocketIsRemovedAtTheEndUnlessTheNameIsAnothers) {
  const Folder folder;
  const std::string path = PathOf(folder, kMost);
  boost::asio::io_context context;
  {
    Listener first(context, NoHooks());
    ASSERT_TRUE(first.BindLocal(path));
    std::filesystem::remove(path);
    Listener second(context, NoHooks());
    ASSERT_TRUE(second.BindLocal(path));
    first.Close();
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Listener, ClientsThatWaitAreAcceptedSeveralATurnOfTheLoop) {
  boost::asio::io_context context;
  size_t welcomed = 0, room = 40;
  Listener::Hooks hooks = NoHooks();
  hooks.welcome = [&](Stream::Socket, const std::string&) { ++welcomed; };
  hooks.has_room = [&] { return welcomed < room; };
  Listener listener(context, hooks);
  ASSERT_TRUE(listener.BindTcp("127.0.0.1", 0, "cannot listen on ", ": "));
  std::vector<boost::asio::ip::tcp::socket> clients;
  for (size_t i = 0; i < 2 * Listener::kAcceptsATurn + 20; ++i) {
    clients.emplace_back(context).connect(
        {boost::asio::ip::make_address("127.0.0.1"), listener.port()});
  }
  listener.KeepAccepting();
  size_t most = 0;
  for (size_t turns = 0; turns < 60; ++turns) {
    const size_t before = welcomed;
    context.poll_one();
    most = std::max(most, welcomed - before);
  }
  EXPECT_EQ(most, Listener::kAcceptsATurn);
  EXPECT_EQ(welcomed, room);  // And no more than there is room for.
}

TEST(Listener, WhoComesWhenThereIsNoRoomAnyMoreWaits) {
  boost::asio::io_context context;
  size_t welcomed = 0;
  bool has_room = true;
  Listener::Hooks hooks = NoHooks();
  hooks.welcome = [&](Stream::Socket, const std::string&) { ++welcomed; };
  hooks.has_room = [&] { return has_room; };
  Listener listener(context, hooks);
  ASSERT_TRUE(listener.BindTcp("127.0.0.1", 0, "cannot listen on ", ": "));
  listener.KeepAccepting();
  context.poll();
  has_room = false;  // As when those who are there begin to be busy.
  boost::asio::ip::tcp::socket client(context);
  client.connect({boost::asio::ip::make_address("127.0.0.1"), listener.port()});
  context.poll();
  EXPECT_EQ(welcomed, 0u);
  has_room = true;
  listener.LookForRoom();
  context.poll();
  EXPECT_EQ(welcomed, 1u);
}

TEST(Listener, WhatTheContextHoldsTouchesNoListenerThatHasGone) {
  alignas(Listener) std::array<unsigned char, sizeof(Listener)> place;
  auto context = std::make_optional<boost::asio::io_context>(1);
  auto* const listener = new (place.data()) Listener(*context, NoHooks());
  ASSERT_TRUE(listener->BindTcp("127.0.0.1", 0, "cannot listen on ", ": "));
  listener->KeepAccepting();
  context->poll();  // The coroutine waits for a client.
  std::destroy_at(listener);
  place.fill(0xab);
  context.reset();
  EXPECT_TRUE(std::ranges::all_of(place, [](unsigned char byte) { return byte == 0xab; }));
}

}  // namespace
}  // namespace akin::server
