// Calls that wait for what the event loop gives to one after the other: its time, for messages that
// are inflated, or room, for messages that come in pieces. The clients take turns, the calls of
// each go in their order: who has much under way waits for his own.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace akin::server {

class Call;

// Of the event loop.
class CallQueue {
 public:
  using Post = std::function<void(std::function<void()>)>;

  // `may_begin`: whether it is the turn of a client's first call now; of the next client's, else.
  // `step`: what is done for it whenever the event loop comes round -> whether that was all; until
  // then no other one begins. Both may throw, which costs no more than the call.
  CallQueue(Post& post, std::function<bool(Call&)> may_begin, std::function<bool(Call&)> step)
      : post_(post), may_begin_(std::move(may_begin)), step_(std::move(step)) {}

  // `later`: when none of its client is left that is not.
  void Add(std::shared_ptr<Call> call, bool later = false);
  // If it is in it and has not begun.
  void Remove(const Call& call) noexcept;
  bool is_empty() const { return current_ == nullptr && waiting_.empty(); }
  bool has(const std::string& client) const { return waiting_.contains(client); }
  // Whether there is a client that waits and of whom that is so.
  bool HasOneThat(const std::function<bool(const std::string& client)>& is_so) const;
  // If nobody will go on with what is in it: its clients might not begin, or there was no memory.
  // To be called when they may, and a few times a second.
  void GoOn() noexcept;

 private:
  struct Calls {
    std::deque<std::shared_ptr<Call>> first, later;
    bool empty() const { return first.empty() && later.empty(); }
    const std::shared_ptr<Call>& front() const { return (first.empty() ? later : first).front(); }
  };

  void Step();
  // The next one's that may begin, in turn; it is not waiting any more. Null: none may.
  std::shared_ptr<Call> Next();

  Post& post_;
  const std::function<bool(Call&)> may_begin_, step_;
  std::map<std::string, Calls> waiting_;  // By client; none of them is empty.
  std::shared_ptr<Call> current_;         // It has begun, or is to.
  std::string last_client_;               // Whose turn was last.
  bool is_posted_ = false;
};

}  // namespace akin::server
