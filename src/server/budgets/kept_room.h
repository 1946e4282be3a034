// For whom room is kept that comes free in a MessageBudget.
//
// Clients that wait for room take turns, and who needs more than there is, is passed over: else the
// largest would hold up all. But then it waits for ever while those that need less come again and
// again. So of the clients that have waited for long the one that holds least, and of these the one
// that needs least, is due: until it has its room nobody takes any but for an eighth of that, and
// of those that are slow as many end in a sweep as it needs.
//
//   44 MiB held by 96 calls of 1 MB that send 4 KB, and end when they hold up others: what they
//   leave one by one is taken by the next of them; 3.9 MB of another client had waited 10 s.
//
// Nobody waits for ever by this: those that hold room wait for none, get whole or are too slow; so
// there is enough in the end, or who is due gives up, as all do who wait for too long.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "server/budgets/message_budget.h"

namespace akin::server {

// Of the event loop.
class KeptRoom {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::milliseconds kPatience{2'000};
  // What its client then holds may be an eighth of the budget, for which others must leave a
  // quarter: an announcement is cheap, and for half of the budget all would have to come free.
  static constexpr size_t kMostPart = 8;

  // Who then has no more than such a part of what the client has that is due takes it as ever, as
  // long as that one waits. (Else 30 addresses that announce 4 MB hold up 70 KB of others.)
  static constexpr size_t kLittlePart = 8;

  // Which outlives it.
  explicit KeptRoom(const MessageBudget& budget) : budget_(budget) {}

  void KeepForNobody() noexcept { is_kept_ = false; }
  // Of all that wait, one after the other, the first of each client, which needs so many bytes.
  void Offer(const std::string& client, size_t bytes, TimePoint since, TimePoint now);
  bool IsFor(const std::string& client) const { return is_kept_ && client_ == client; }
  // How much a client may take now, beside what it holds.
  size_t MostFor(const std::string& client) const;
  // Null: for nobody.
  const std::string* client() const { return is_kept_ ? &client_ : nullptr; }

  // Whether one of `holder` that is slow must end for it: it needs more than what is free and comes
  // free, and its client holds less.
  bool NeedsMoreOf(const std::string& holder) const;
  // So much comes free soon, and then has.
  void Ending(size_t bytes) { ending_ += bytes; }
  void Ended(size_t bytes) { ending_ -= bytes; }

 private:
  const MessageBudget& budget_;
  bool is_kept_ = false;
  std::string client_;
  size_t bytes_ = 0, held_ = 0;  // What it needs, and its client held then.
  TimePoint since_;
  size_t ending_ = 0;
};

}  // namespace akin::server
