// Whether a body, or a message, comes fast enough on a connection that it shares with others. What
// is slow is the link: while it is full of one's bytes the others have none. So what comes of any
// pays for all of them (LeastRate), and who has not begun is not late.
//
//   100 bodies of 60 KB on a link of 64 KiB/s: in turns each has 655 bytes a second, one after the
//   other the last begins after 90 s; the link has 64 KiB/s at any time.
//
// But who has had nothing of its own for very long ends, whatever else comes: behind a proxy whose
// connection is of many clients one of them has gone.
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

  void Arrived(size_t bytes) { bytes_ += bytes; }
  // As it is now, and has been found at the last call until now.
  void SetState(State state, TimePoint now) {
    if (state_ == State::kShut) shut_time_ += now - looked_;
    if (state_ != State::kOpen) unread_time_ += now - looked_;
    state_ = state;
    looked_ = now;
  }
  // The event loop read nothing for so long.
  void HeldUp(Duration time) {
    if (state_ != State::kShut) shut_time_ += time;
    if (state_ == State::kOpen) unread_time_ += time;
  }

  uint64_t bytes() const { return bytes_; }  // All that have come.
  // In which nothing could come, for no fault of its client; and with the time of kUnread.
  Duration shut_time() const { return shut_time_; }
  Duration unread_time() const { return unread_time_; }

 private:
  uint64_t bytes_ = 0;
  State state_ = State::kOpen;
  TimePoint looked_{};
  Duration shut_time_{}, unread_time_{};
};

class LinkRate {
 public:
  using TimePoint = Link::TimePoint;

  // Of what begins now on `link`, which outlives it. `silence`: so long it may have nothing of its
  // own, if that is more than the grace.
  LinkRate(const LeastRate::Terms& terms, std::chrono::milliseconds silence, const Link& link,
           TimePoint now)
      : rate_(terms, now),
        silence_(std::max(silence, terms.grace)),
        link_(&link),
        bytes_(link.bytes()),
        unread_time_(link.unread_time()),
        quiet_since_(now) {}

  // Something of its own, of which the link tells how much.
  void Arrived(TimePoint now) { quiet_since_ = now; }
  // It was not read for so long before now.
  void Forgive(Link::Duration time, TimePoint now) {
    rate_.Forgive(time, now);
    quiet_since_ = std::min(quiet_since_ + time, now);
  }
  // To be asked a few times a second: what has come since then has come now.
  bool IsTooSlow(TimePoint now) {
    Forgive(link_->unread_time() - std::exchange(unread_time_, link_->unread_time()), now);
    rate_.Arrived(link_->bytes() - std::exchange(bytes_, link_->bytes()), now);
    return rate_.IsTooSlow(now) || now - quiet_since_ >= silence_;
  }

 private:
  LeastRate rate_;
  Link::Duration silence_;
  const Link* link_;
  // Of the link, when it was last asked.
  uint64_t bytes_;
  Link::Duration unread_time_;
  TimePoint quiet_since_;
};

}  // namespace akin::server
