// How many bytes streams of HTTP/2 may hold, of all connections together: requests, their heads and
// what nobody has read of them.
//
// Clients behind one address (a proxy, a Unix socket) are one client here, and what costs its
// sender nothing may be many: a Watch needs no key and lasts for ever. So
//
// - idle streams, of who needs no key or is waited for, have a bound of their own far below the
//   whole: whoever fills it leaves the rest to requests that are worked on;
// - every connection has a floor, which counts for itself: whatever others hold, it has room for
//   some short requests, and a part of that for idle ones.
//
//   128 MiB, 32 idle: one address gets 16 for Watches, then the floors of its connections; a short
//   request of the same address finds 48.
#pragma once

#include <cstddef>
#include <string>

#include "server/budgets/message_budget.h"

namespace akin::server {

// Of the event loop. Outlives its shares.
class StreamBudget {
 public:
  // A dozen small requests; of --max-connections 4,096: 384 MiB. Of these, idle ones: two or three.
  static constexpr size_t kFloorBytes = size_t{96} << 10;
  static constexpr size_t kIdleFloorBytes = size_t{24} << 10;

  // `idle_bytes` are of `most_bytes`.
  StreamBudget(size_t most_bytes, size_t idle_bytes) : all_(most_bytes, 0), idle_(idle_bytes, 0) {}

  // What a connection holds of its own. Outlives the shares of its streams.
  struct Floor {
    size_t bytes = 0, idle_bytes = 0;
  };

  class Share {
   public:
    Share(StreamBudget& budget, Floor& floor, const std::string& client)
        : all_(budget.all_, client), idle_(budget.idle_, client), floor_(floor) {}
    ~Share() { LeaveFloor(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // To so many bytes, which are not fewer. False, here and below: there is no room, and nothing
    // has changed.
    bool GrowTo(size_t bytes) { return Place(bytes, is_keyless_, is_waiting_); }
    void ShrinkTo(size_t bytes);
    // Of who needs no key: idle from now on.
    bool SetKeyless() { return Place(bytes_, true, is_waiting_); }
    // Whether its client is waited for, and has been for long: idle, also on the floor.
    bool SetWaiting(bool waits);

   private:
    bool Place(size_t bytes, bool keyless, bool waiting);
    bool PlaceWithOthers(size_t bytes, bool idle);
    void LeaveFloor();

    MessageBudget::Share all_, idle_;  // Nothing, while it is on the floor.
    Floor& floor_;
    size_t bytes_ = 0;
    bool is_on_floor_ = false, is_keyless_ = false, is_waiting_ = false;
  };

  // Without floors.
  size_t held_bytes() const { return all_.held_bytes(); }
  size_t idle_bytes() const { return idle_.held_bytes(); }

 private:
  MessageBudget all_, idle_;
};

}  // namespace akin::server
