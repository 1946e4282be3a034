// Whether it pays just now that threads share a batch.
//
// A team meets some fifty times for a batch. Where other programs want the cores, too, each meeting
// may wait for a member that has lost its core for a time slice, and one thread alone is done many
// times sooner. That is seen from the batch itself: a member that has worked for w of the time t
// would have needed about n w for the parts of all n members. Teams that have lost more than they
// gained before, of which 20 ms at most count, are left alone for so long that trying again costs a
// small share of the time. A quiet machine takes a time slice away several times a second: that
// much is soon gained again.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>

namespace akin::engine {

// Of what a team has computed, one batch or several, seen by its member of rank 0.
struct TeamTimes {
  int size = 1;
  std::chrono::nanoseconds elapsed{0};
  std::chrono::nanoseconds waited{0};  // Of that, for other members.
};

// Safe to use from several threads.
class TeamBackoff {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // What all models of this process go by: what loses time is the machine.
  static TeamBackoff& ThisMachine();

  bool Pays(TimePoint now) const {
    return always_pays_ || now.time_since_epoch().count() >= resume_.load();
  }
  void Record(const TeamTimes& times, TimePoint now);
  // However much they lose. For tests of what teams compute, which a busy machine would otherwise
  // leave to single threads.
  void AlwaysPay() { always_pays_ = true; }

 private:
  std::mutex mutex_;
  std::chrono::nanoseconds gained_{0};  // By teams, against one thread; guarded by mutex_.
  std::atomic<TimePoint::rep> resume_{0};
  std::atomic<bool> always_pays_{false};
};

}  // namespace akin::engine
