// How many bytes messages (of gRPC; of HTTP, bodies) may hold that have not come whole, of all
// connections together.
//
// A client says that 4 MiB are coming on each of a hundred streams, sends them but for the last
// byte, and opens another connection. A client takes at most half of what the others leave, so that
// there is room for the next one, however many never finish:
//
//   48 MiB: A alone gets 24, B beside it 12, C beside both 6.
//
// Who asks says for how much: for all that is announced, so that nobody waits with a part of it
// (budgets/body_rooms.h, grpc/message_reader.h).
//
// Halving alone leaves the sixteenth client less than an ordinary message has, and clients behind
// one address (a proxy, a Unix socket) nothing once one of them has all: so each connection has a
// floor beside it, for as long as it is open, whatever others hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace akin::server {

// Of the event loop. Outlives its shares.
class MessageBudget {
 public:
  static constexpr size_t kFreeBytes = size_t{4} << 10;

  // `free_bytes` of each share do not count: for what is so little that one client that never
  // finishes would else keep others behind its address from asking for a few words. `on_room` runs
  // when some comes free, also while memory has run out, and throws nothing.
  explicit MessageBudget(size_t most_bytes, size_t free_bytes = kFreeBytes,
                         std::function<void()> on_room = {})
      : most_(most_bytes), free_(free_bytes), on_room_(std::move(on_room)) {}

  // An ordinary message or body, of a few dozen texts; of --max-connections 4,096: 256 MiB.
  static constexpr size_t kFloorBytes = size_t{64} << 10;

  // What a connection holds of its own, of any budget. Outlives what its shares hold.
  struct Floor {
    size_t bytes = 0;
  };

  class Share {
   public:
    // Without `floor` there is none.
    Share(MessageBudget& budget, std::string client, Floor* floor = nullptr)
        : budget_(budget), client_(std::move(client)), floor_(floor) {}
    ~Share() { Clear(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // To so many bytes, which are not fewer, beside others or else on the floor. False, here and
    // below: there is no room (or no memory to note who has it), and nothing has changed.
    bool GrowTo(size_t bytes) noexcept { return GrowBesideOthers(bytes) || GrowOnFloor(bytes); }
    bool GrowBesideOthers(size_t bytes) noexcept;
    bool GrowOnFloor(size_t bytes) noexcept;
    void ShrinkTo(size_t bytes);  // Which are not more, and more than those that are free.
    void Clear();
    // What of it counts, wherever.
    size_t bytes() const { return bytes_; }
    bool is_on_floor() const { return is_on_floor_; }
    // Whether so many bytes need no more than it has.
    bool Has(size_t bytes) const { return bytes <= std::max(budget_.free_, bytes_); }

   private:
    // It holds fewer, wherever.
    void GiveBack(size_t bytes);

    MessageBudget& budget_;
    const std::string client_;
    Floor* const floor_;
    size_t bytes_ = 0;
    bool is_on_floor_ = false;  // All of it.
  };

  // Whether a client may hold so many bytes more, when `coming` of those that are held have come
  // free.
  bool HasRoomFor(const std::string& client, size_t more, size_t coming = 0) const {
    const size_t own = held_bytes(client);
    const size_t others = held_ - own;
    return own + more <= (most_ - others + std::min(coming, others)) / 2;
  }
  size_t most_bytes() const { return most_; }
  // Without floors.
  size_t held_bytes() const { return held_; }
  size_t held_bytes(const std::string& client) const {
    const auto it = by_client_.find(client);
    return it == by_client_.end() ? 0 : it->second;
  }

 private:
  const size_t most_, free_;
  const std::function<void()> on_room_;
  size_t held_ = 0;
  std::map<std::string, size_t> by_client_;  // Without those that hold nothing.
};

}  // namespace akin::server
