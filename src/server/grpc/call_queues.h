// Calls that wait for the event loop's time, or for room, each client's in their order: who has
// much under way waits for his own.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "server/grpc/inflate_budget.h"

namespace akin::server {

class Call;

class CallsByClient {
 public:
  void Add(std::shared_ptr<Call> call);
  // If it is among them.
  void Remove(const Call& call) noexcept;
  bool is_empty() const { return calls_.empty(); }
  // The first of the client that comes after `client` (of the first one, after the last) and that
  // `may`; null if there is none.
  std::shared_ptr<Call> FirstAfter(const std::string& client,
                                   const std::function<bool(const std::string&)>& may) const;

 private:
  std::map<std::string, std::deque<std::shared_ptr<Call>>> calls_;  // None of them is empty.
};

// Calls whose messages are inflated: a step whenever the event loop comes round, the first one,
// too, one message after the other, so that only one holds what zlib needs; the clients take turns.
// A client that has had its part of this second waits for the next. Of the event loop.
class InflateQueue {
 public:
  InflateQueue(std::function<void(std::function<void()>)>& post, InflateBudget& budget)
      : post_(post), budget_(budget) {}

  void Add(std::shared_ptr<Call> call);
  void Remove(const Call& call) noexcept { waiting_.Remove(call); }
  bool is_empty() const { return current_ == nullptr && waiting_.is_empty(); }
  // If nobody will go on with what is in it: its clients waited, or there was no memory. To be
  // called a few times a second.
  void GoOn() noexcept;

 private:
  void Step();

  std::function<void(std::function<void()>)>& post_;
  InflateBudget& budget_;
  CallsByClient waiting_;
  std::shared_ptr<Call> current_;  // Its message is begun, or is to be.
  std::string last_client_;        // Whose turn was last.
  bool is_posted_ = false;
};

}  // namespace akin::server
