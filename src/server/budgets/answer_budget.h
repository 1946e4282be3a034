// How many bytes answers may hold that are computed or wait for their clients to read them.
//
// The queue bounds what is to be computed; what came of it may be a hundred times as long as the
// request and stays as long as a client does not read. An answer is reserved room for when it
// begins to be computed, and keeps it until it is written or given up.
//
// Small answers share one half of the budget, large ones the other. In each half a client takes at
// most three quarters of what the others leave, so that something is left for the next one, however
// many do not read. One answer of each client, its first one, may have any size up to the whole
// budget, while all others, also of that client, hold no more than one such answer:
//
//   budget 100: A alone gets 100; then B alone gets 100 beside it; then C is refused, and so is a
//   second one of A. Of small ones A gets 37, B then 9, and so on.
//
// An answer of several parts grows while they are computed. Were it held to the three quarters,
// too, several of one client that grow at once might all be refused; so the first one goes on,
// beside what that client's others leave of the whole budget: all of one client's stay within it,
// or the next client's first one would find no room.
//
// So no client keeps another one out, an idle server gives all that it can, and all answers
// together hold at most two and a half times the budget (and what guesses were too low by).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "akin/result.h"

namespace akin::server {

// Of any thread. Outlived by nothing that it has given.
class AnswerBudget {
 public:
  static constexpr int64_t kLargeBytes = int64_t{1} << 20;  // More is large.

  // What all answers together may come to.
  static constexpr int64_t MostBytes(int64_t most_bytes) { return most_bytes / 2 * 5; }

  explicit AnswerBudget(int64_t most_bytes)
      : most_(most_bytes),
        small_{.room = most_bytes / 2, .most_beside_first = most_bytes / 2},
        large_{.room = most_bytes / 2, .most_beside_first = most_bytes} {}

  // What one answer takes. Counts until it is gone.
  class Share {
   public:
    Share(AnswerBudget& budget, std::string client) : budget_(budget), client_(std::move(client)) {}
    ~Share() { Settle(0); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // What it will take by a guess, before it begins to be computed. Counts in `bytes` only.
    void Expect(int64_t bytes);
    // Room for so many bytes more, before they are made. Errors, and nothing has changed:
    // InvalidInput (larger than the whole budget), Overloaded (no room now). None for no bytes.
    Status Reserve(int64_t more);
    // To what it is, when it is made. Never refused: guesses may have been too low, and what is
    // there already takes no more memory for being given.
    void Settle(int64_t bytes);
    // The larger one of what is expected and what is reserved.
    int64_t bytes() const;
    // Whether Reserve has ever found no room.
    bool was_refused() const;

   private:
    friend class AnswerBudget;
    void PutBack(int64_t bytes);

    AnswerBudget& budget_;
    const std::string client_;
    int64_t bytes_ = 0, expected_ = 0;  // Guarded by the budget's mutex,
    bool was_refused_ = false;          // likewise.
  };
  using SharePtr = std::shared_ptr<Share>;

  int64_t held_bytes() const;
  int64_t refused() const;  // Since the start, how often Reserve has found no room.

 private:
  struct Half {
    int64_t room;               // That clients share,
    int64_t most_beside_first;  // and what others may hold when a client gets its first answer.
    int64_t held = 0;
    struct Holder {
      int64_t held = 0;
      const Share* first = nullptr;  // Of this half, until it has gone or left it.
    };
    std::map<std::string, Holder> by_client = {};  // Without those that hold nothing.
  };
  Half& HalfOf(int64_t bytes) { return bytes > kLargeBytes ? large_ : small_; }
  // With the mutex held.
  void Put(const Share& share, int64_t bytes);
  void TakeOut(const Share& share, int64_t bytes);
  bool HasRoom(const Share& share, int64_t bytes);

  const int64_t most_;
  mutable std::mutex mutex_;
  Half small_, large_;   // Guarded by mutex_,
  int64_t refused_ = 0;  // likewise.
};

}  // namespace akin::server
