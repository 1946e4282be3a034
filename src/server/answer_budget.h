// How many bytes answers may hold that are being made or wait for their clients to read them.
//
// The queue bounds what is computed; what came of it may be a hundred times as long as the request
// and stays as long as a client does not read. Large answers share one half, so that a few clients
// that never read do not take the place of everybody's small ones.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

namespace akin::server {

// Of any thread. Outlived by nothing that it has given.
class AnswerBudget {
 public:
  static constexpr int64_t kLargeBytes = int64_t{1} << 20;

  explicit AnswerBudget(int64_t most_bytes) : most_(most_bytes) {}

  // Counts until it is gone.
  class Share {
   public:
    explicit Share(AnswerBudget& budget) : budget_(budget) {}
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Before it is made, by a guess. False, and nothing has changed: there is no room for more. Any
    // number of bytes is given while no other share holds any.
    bool Grow(int64_t by);
    // To what it is, when it is made. Guesses may have been too low: what is there already may take
    // half as much again as there is room for.
    bool Settle(int64_t bytes);
    int64_t bytes() const;

   private:
    friend class AnswerBudget;
    AnswerBudget& budget_;
    int64_t bytes_ = 0;  // Guarded by the budget's mutex.
  };
  using SharePtr = std::shared_ptr<Share>;

  // Of nothing yet. Null: there is no room.
  SharePtr Take();
  int64_t held_bytes() const;

 private:
  bool Change(Share& share, int64_t to, int64_t most);

  const int64_t most_;
  mutable std::mutex mutex_;
  int64_t held_ = 0;  // Guarded by mutex_.
};

}  // namespace akin::server
