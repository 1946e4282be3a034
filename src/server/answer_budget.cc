#include "server/answer_budget.h"

namespace akin::server {

AnswerBudget::SharePtr AnswerBudget::Take() {
  if (held_bytes() >= most_) return nullptr;
  return std::make_shared<Share>(*this);
}

int64_t AnswerBudget::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

// With the mutex held.
bool AnswerBudget::Change(Share& share, int64_t to, int64_t most) {
  const int64_t others = held_ - share.bytes_;
  const int64_t room = to > kLargeBytes ? most / 2 : most;
  if (to > share.bytes_ && others > 0 && others + to > room) return false;
  share.bytes_ = to;
  held_ = others + to;
  return true;
}

AnswerBudget::Share::~Share() { Settle(0); }

bool AnswerBudget::Share::Grow(int64_t by) {
  const std::lock_guard lock(budget_.mutex_);
  return budget_.Change(*this, bytes_ + by, budget_.most_);
}

bool AnswerBudget::Share::Settle(int64_t bytes) {
  const std::lock_guard lock(budget_.mutex_);
  return budget_.Change(*this, bytes, budget_.most_ / 2 * 3);
}

int64_t AnswerBudget::Share::bytes() const {
  const std::lock_guard lock(budget_.mutex_);
  return bytes_;
}

}  // namespace akin::server
