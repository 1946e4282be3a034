// Who has how many connections, and which of them gives way to a new one.
//
// There are --max-connections, and to hold one costs nothing. So
//
// - seven eighths are for whoever comes: a proxy, or all of a Unix socket, are one client, and may
//   have them;
// - the last eighth is for clients that have less than half of what the others leave. So there is
//   room for the next one, however many connections each of the others wants: k greedy ones have
//   1 / (k + 1) each, and leave as much;
// - beyond that, and when all are taken, a new connection takes the place of an idle one: of the
//   client that has most, if that has more than the newcomer, or of the newcomer's own; of these
//   the one that has been idle longest.
//
// Idle is a connection without a request whose head has come: who sends one byte by byte is idle.
//
//   800, of which A has 700 idle ones: B comes, and has one of the last hundred; A comes again, and
//   loses its oldest.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace akin::server {

class ServedConnection;

// Of the event loop. Outlives its slots.
class ConnectionSlots {
 public:
  class Slot;

  explicit ConnectionSlots(size_t most) : most_(most) {}

  // Whether one more of `client` has a place beside all that are there.
  bool Admits(const std::string& client) const;
  // That of an idle connection which is to give way to one of `client`; null: there is none.
  Slot* IdleFor(const std::string& client) const;
  // Else whoever comes has to wait until a connection ends or is idle.
  bool has_room() const { return size_ < most_ || !with_idle_.empty(); }

 private:
  struct Client;
  struct HasLess {
    bool operator()(const Client* a, const Client* b) const;
  };
  using Order = std::set<Client*, HasLess>;
  struct Client {
    size_t size = 0;
    std::list<Slot*> idle;   // The longest first.
    Order::node_type place;  // Among those that have idle ones, while it is not there.
  };
  using Clients = std::map<std::string, Client>;

  // Runs `change` of what `client` is ordered by. Takes no memory.
  template <typename Change>
  void Reorder(Client& client, Change change);

  const size_t most_;
  size_t size_ = 0;
  Clients clients_;  // Who has some.
  Order with_idle_;
};

// A connection's, from when it is accepted.
class ConnectionSlots::Slot {
 public:
  // Idle.
  Slot(ConnectionSlots& slots, const std::string& client);
  ~Slot() { Release(); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  // From now on; behind others that are idle, also if it was.
  void SetIdle();
  void SetBusy();
  // It counts no longer; what is called after that has no effect.
  void Release();

  const std::string& client() const { return client_->first; }  // Until it is released.
  ServedConnection* holder = nullptr;

 private:
  ConnectionSlots& slots_;
  Clients::iterator client_;
  std::list<Slot*> self_{this};  // While it is busy.
  const std::list<Slot*>::iterator place_ = self_.begin();
  bool is_idle_ = false, is_released_ = false;
};

}  // namespace akin::server
