// Calls that wait for what the event loop gives to one after the other: its time, for messages that
// are inflated, or room, for messages that come in pieces. The clients take turns, the calls of
// each go in their order: who has much under way waits for his own.
//
// It has two lanes: of the second one a step is made while nothing waits in the first, and behind
// every eighth of the first, which may be full for ever.
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

  // `later`: in the second lane.
  void Add(std::shared_ptr<Call> call, bool later = false);
  // Who has begun in the first lane, and says with his step that it is over, goes on in the second
  // as he is. False: somebody is or waits there, and nothing has changed.
  bool GoOnLater(std::shared_ptr<Call> call) noexcept;
  // If it is in it and has not begun.
  void Remove(const Call& call) noexcept;
  bool is_empty() const { return first_.is_empty() && later_.is_empty(); }
  bool has(const std::string& client) const {
    return first_.waiting.contains(client) || later_.waiting.contains(client);
  }
  // Of each client's calls the one that is next.
  void ForEachFirst(const std::function<void(const Call&)>& look) const;
  // Whether there is a client that waits and of whom that is so.
  bool HasOneThat(const std::function<bool(const std::string& client)>& is_so) const;
  // If nobody will go on with what is in it: its clients might not begin, or there was no memory.
  // To be called when they may, and a few times a second.
  void GoOn() noexcept;

 private:
  using Calls = std::deque<std::shared_ptr<Call>>;
  struct Lane {
    std::map<std::string, Calls> waiting;  // By client; none of them is empty.
    std::shared_ptr<Call> current;         // It has begun, or is to.
    std::string last_client;               // Whose turn was last.

    bool is_empty() const { return current == nullptr && waiting.empty(); }
    void Remove(const Call& call) noexcept;
  };

  // Of 64 KiB that are inflated: a second lane that always waits costs the first one a ninth.
  static constexpr int kStepsBeforeLater = 8;

  void Step();
  // False: nobody has begun in it, nor may.
  bool StepOf(Lane& lane);
  // The next one's that may begin, in turn, becomes the current one.
  void BeginNext(Lane& lane);

  Post& post_;
  const std::function<bool(Call&)> may_begin_, step_;
  Lane first_, later_;
  int steps_before_later_ = kStepsBeforeLater;  // Of the first lane.
  bool is_posted_ = false;
};

}  // namespace akin::server
