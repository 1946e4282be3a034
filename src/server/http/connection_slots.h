// Who has how many connections, and which of them gives way to a new one.
//
// There are --max-connections, and to hold one costs nothing. So
//
// - seven eighths are for whoever comes: a proxy, or all of a Unix socket, are one client, and may
//   have them;
// - the last eighth is for clients that have less than half of what the others leave: each that
//   comes and wants all has half as much as the one before it, and the last place is somebody's;
// - beyond that, and when all are taken, a new connection takes the place of one that is idle:
//   first of one that has never asked anything for which a key may be needed, the longest idle one
//   of a client that has no fewer than the newcomer; then of one that has been idle for kPatience,
//   of the client that has most, if that has more than the newcomer, or of the newcomer's own;
// - those that are used give way to nobody: where there are only such, who comes waits.
//
// Who gives way may be told (by HTTP/2), which takes a moment: an eighth of as many as there may be
// are being told at most, and beyond those none is, so that newcomers, however many, find no more
// descriptors open than that.
//
// Idle is a connection that waits for its client: it has no request whose head has come (who sends
// one byte by byte is idle), or only such as wait for more of it, or for news.
//
//   800, of which A has 700 and uses 600: B comes, and has one of the last hundred; A comes again,
//   and loses one that it has never used, else its oldest idle one.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace akin::server {

class ServedConnection;

// Of the event loop. Outlives its slots.
class ConnectionSlots {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  class Slot;

  // A kept connection of a proxy is used again within this, if it is needed, and a body goes on.
  static constexpr std::chrono::seconds kPatience{5};
  // That are looked at for one that gives way, of those that never asked and of those that did.
  static constexpr size_t kMostLooks = 1024;

  explicit ConnectionSlots(size_t most) : most_(most) {}

  // Whether one more of `client` has a place beside all that are there.
  bool Admits(const std::string& client) const;
  // That of an idle connection which is to give way to one of `client`; null: there is none.
  Slot* IdleFor(const std::string& client, TimePoint now) const;
  // Else whoever comes has to wait until a connection ends or has been idle for long.
  bool has_room(TimePoint now) const;
  // Whether who gives way now may stay until it has been told.
  bool may_tell() const { return leaving_ < most_ / 8; }

 private:
  using Clients = std::map<std::string, size_t>;
  using List = std::list<Slot*>;

  size_t CountOf(const std::string& client) const;

  const size_t most_;
  size_t size_ = 0, leaving_ = 0;
  Clients clients_;           // How many each has who has some.
  List never_asked_, asked_;  // That are idle, the longest first.
};

// A connection's, from when it is accepted.
class ConnectionSlots::Slot {
 public:
  // Idle.
  Slot(ConnectionSlots& slots, const std::string& client, TimePoint now);
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  // From now on. Of one that is idle: its client has done something; it is behind others then, but
  // not if it has never asked, for bytes cost nothing.
  void SetIdle(TimePoint now);
  void SetBusy();
  // It has asked something for which a key may be needed.
  void SetAsked(TimePoint now);
  // Behind others that are idle: it does not give way now.
  void Postpone(TimePoint now);
  // It counts no longer; what is called after that has no effect.
  void Release();
  // It is released, and counts as one that is being told as long as it lives.
  void Leave();

  const std::string& client() const { return client_->first; }  // Until it is released.
  ServedConnection* holder = nullptr;

 private:
  friend class ConnectionSlots;

  bool is_idle() const { return list_ != &self_; }
  // To its end; takes no memory.
  void MoveTo(List& list);

  ConnectionSlots& slots_;
  List self_{this};  // While it is busy.
  List* list_ = &self_;
  const List::iterator place_ = self_.begin();
  Clients::iterator client_;
  TimePoint since_;  // When it was put where it is.
  bool has_asked_ = false, is_released_ = false, is_leaving_ = false;
};

}  // namespace akin::server
