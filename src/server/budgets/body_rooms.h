// Room for the bodies of HTTP's requests that do not come at once, of all connections together.
//
// A body asks once, when more of it has come than is free, for all that it may become, and waits
// for that: the bodies of a client in their order, the clients in turns, and who has waited for
// long before others (KeptRoom). So whoever holds room never waits for any, and whoever waits holds
// none: no mix of lengths can lock up. (When each held what had come of it, 120 uploads of 1.9 MB
// had a part each, and none ever got whole.)
//
//   128 MiB, of which a client alone has half: 33 bodies of 2 MB come, the 34th when one is whole.
//
// What fits on the floor of its connection (MessageBudget) waits for nobody. It may wait there for
// more, which comes from those that have room; others of its connection wait for it meanwhile, but
// never it for them. A body whose length nobody knows asks for the most that
// it may have. Where its client has nothing under way and there still is not so much, it takes what
// it needs as it comes, and does not wait.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "server/budgets/kept_room.h"
#include "server/budgets/least_rate.h"
#include "server/budgets/message_budget.h"

namespace akin::server {

// Of the event loop. Outlives its bodies.
class BodyRooms {
 public:
  using TimePoint = LeastRate::TimePoint;
  // kNone: it will never have it.
  enum class Answer { kRoom, kWaits, kNone };

  // A body of the server may be so long: as what a client holds that is alone, since for more there
  // never would be room.
  static constexpr size_t kMostBodyBytes = size_t{64} << 20;

  explicit BodyRooms(size_t most_bytes)
      : most_(most_bytes),
        budget_(most_bytes, MessageBudget::kFreeBytes, [this] { GiveOut(kMostInVain); }) {}
  BodyRooms(const BodyRooms&) = delete;
  BodyRooms& operator=(const BodyRooms&) = delete;

  class Body {
   public:
    // `floor`: its connection's; without it there is none.
    Body(BodyRooms& rooms, std::string client, MessageBudget::Floor* floor = nullptr);
    ~Body() { Clear(); }
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;

    // Whether so many bytes need no more than it has.
    bool Has(size_t bytes) const { return share_.Has(bytes); }
    // Room for `bytes` now, of `length` in the end, or of at most `most`; on the floor, if it fits.
    // kWaits: `on_room`, which throws nothing and asks for
    // nothing, is called when it has it.
    Answer Ask(size_t bytes, std::optional<size_t> length, size_t most, TimePoint now,
               std::function<void()> on_room);
    void StopWaiting() noexcept;
    // Whether what waits has room on the floor now, of which `bytes` have come; if so, it waits no
    // longer.
    bool TakeFloor(size_t bytes) noexcept;
    bool is_waiting() const { return place_.has_value(); }
    void Arrived(size_t bytes, TimePoint now) {
      if (rate_) rate_->Arrived(bytes, now);
    }
    // Nothing of it could come for so long before now.
    void Forgive(TimePoint::duration time, TimePoint now) {
      if (rate_) rate_->Forgive(time, now);
    }
    // Whether it must end, because it is too slow and others, who have no more than its client,
    // wait. One at a time, or as many as who is due needs: `now` is the sweep's.
    bool HoldsUpOthers(TimePoint now) noexcept;
    void Clear() noexcept;

   private:
    friend class BodyRooms;
    bool Take(TimePoint now);
    // Where the most that it may have never is there, what has come is enough.
    bool TakesAPart() const { return !is_exact_ && rooms_.budget_.held_bytes(client_) == 0; }
    bool Grow(size_t bytes, TimePoint now);
    // What it holds comes free soon.
    void End() noexcept;

    BodyRooms& rooms_;
    const std::string client_;
    MessageBudget::Share share_;
    std::optional<LeastRate> rate_;  // As long as it has room (kInRoom).
    // What it has asked for.
    size_t bytes_ = 0, all_ = 0;
    std::optional<size_t> length_;
    bool is_exact_ = false;
    TimePoint since_;          // It has waited.
    size_t ending_bytes_ = 0;  // Of what it holds, once it must end.
    std::function<void()> on_room_;
    std::optional<std::list<Body*>::iterator> place_;
  };

  size_t held_bytes() const { return budget_.held_bytes(); }

 private:
  using Waiting = std::map<std::string, std::list<Body*>>;

  // As one comes free: so many clients are looked at in vain, the others by the next sweep.
  static constexpr size_t kMostInVain = 64;

  // The first that wait, to whom is due before others.
  void GiveOut(size_t most_in_vain) noexcept;
  void Choose(TimePoint now) noexcept;
  void Sweep(TimePoint now) noexcept;

  const size_t most_;
  Waiting waiting_;  // By client; none of them is empty.
  Waiting::iterator next_ = waiting_.end();
  TimePoint swept_, ended_;
  size_t least_held_ = SIZE_MAX;  // By a client that waits, when it was swept.
  MessageBudget budget_;
  KeptRoom kept_{budget_};
};

}  // namespace akin::server
