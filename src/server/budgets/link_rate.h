// Whether a body, or a message, comes fast enough on a connection that it shares with others. What
// is slow is the link: while it is full of one's bytes the others have none. So what comes of any
// pays for all of them (LeastRate), and who has not begun is not late.
//
//   100 bodies of 60 KB on a link of 64 KiB/s: in turns each has 655 bytes a second, one after the
//   other the last begins after 90 s; the link has 64 KiB/s at any time.
//
// But who brings next to nothing of its own for very long ends, whatever else comes: behind a proxy
// whose connection is of many clients one of them has gone. The least of it is an even part of the
// least that the link brings, so that a byte now and then keeps nothing open for ever.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "server/budgets/least_rate.h"

namespace akin::server {

// What comes on one connection, and for how long nothing could.
class Link {
 public:
  using TimePoint = LeastRate::TimePoint;
  using Duration = TimePoint::duration;

  // kUnread: its client has our words to take first. kShut: its client may send nothing, for what
  // others of its streams have sent is not yet consumed.
  enum class State { kOpen, kUnread, kShut };

  // So long at once, and then as long as it has not been, a shut window excuses who has room that
  // others wait for. A client can keep its own shut for ever, with answers that it does not take.
  // With kInRoom's grace it is less than they wait (kWaitingTime).
  static constexpr Duration kMostShut = std::chrono::seconds(4);

  void Arrived(size_t bytes) { bytes_ += bytes; }
  // As it is now, and has been found at the last call until now.
  void SetState(State state, TimePoint now) {
    const Duration time = now - looked_;
    if (state_ != State::kOpen) unread_time_ += time;
    if (state_ == State::kShut) {
      const Duration excused = std::min(time, may_be_shut_);
      shut_time_ += excused;
      may_be_shut_ -= excused;
    } else {
      may_be_shut_ = std::min(may_be_shut_ + time, kMostShut);
    }
    state_ = state;
    looked_ = now;
  }
  // The event loop read nothing for so long before now, whatever it had found.
  void HeldUp(Duration time, TimePoint now) {
    shut_time_ += time;
    unread_time_ += time;
    looked_ = std::min(looked_ + time, std::max(looked_, now));
  }

  uint64_t bytes() const { return bytes_; }  // All that have come.
  // In which nothing could come, as far as it excuses who has room; and all, with that of kUnread.
  Duration shut_time() const { return shut_time_; }
  Duration unread_time() const { return unread_time_; }

 private:
  uint64_t bytes_ = 0;
  State state_ = State::kOpen;
  TimePoint looked_{};
  Duration shut_time_{}, unread_time_{};
  Duration may_be_shut_ = kMostShut;
};

class LinkRate {
 public:
  using TimePoint = Link::TimePoint;

  // So many at most share a link.
  static constexpr int64_t kMostSharers = 100;

  // Of what begins now on `link`, which outlives it. `silence`: so far it may be behind its own
  // part, if that is more than the grace.
  LinkRate(const LeastRate::Terms& terms, std::chrono::milliseconds silence, const Link& link,
           TimePoint now)
      : rate_(terms, now),
        own_rate_(OwnTerms(terms, silence), now),
        link_(&link),
        bytes_(link.bytes()),
        unread_time_(link.unread_time()) {}

  // So many bytes more of its own, of which the link tells, too.
  void Arrived(size_t bytes, TimePoint now) { own_rate_.Arrived(bytes, now); }
  // It was not read for so long before now.
  void Forgive(Link::Duration time, TimePoint now) {
    rate_.Forgive(time, now);
    own_rate_.Forgive(time, now);
  }
  // To be asked a few times a second: what has come since then has come now.
  bool IsTooSlow(TimePoint now) {
    Forgive(link_->unread_time() - std::exchange(unread_time_, link_->unread_time()), now);
    rate_.Arrived(link_->bytes() - std::exchange(bytes_, link_->bytes()), now);
    return rate_.IsTooSlow(now) || own_rate_.IsTooSlow(now);
  }

 private:
  static LeastRate::Terms OwnTerms(const LeastRate::Terms& terms,
                                   std::chrono::milliseconds silence) {
    return {std::max(silence, terms.grace),
            std::max<int64_t>(terms.bytes_per_second / kMostSharers, 1)};
  }

  LeastRate rate_, own_rate_;
  const Link* link_;
  // Of the link, when it was last asked.
  uint64_t bytes_;
  Link::Duration unread_time_;
};

}  // namespace akin::server
