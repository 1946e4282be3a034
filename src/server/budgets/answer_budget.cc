#include "server/budgets/answer_budget.h"

#include <algorithm>

#include "server/text.h"

namespace akin::server {
namespace {

int64_t Mebibytes(int64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; }

}  // namespace

int64_t AnswerBudget::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return small_.held + large_.held;
}

int64_t AnswerBudget::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void AnswerBudget::Put(const Share& share, int64_t bytes) {
  if (bytes == 0) return;
  Half& half = HalfOf(bytes);
  Half::Holder& holder = half.by_client[share.client_];  // May throw.
  half.held += bytes;
  holder.held += bytes;
  if (holder.first == nullptr) holder.first = &share;
}

void AnswerBudget::TakeOut(const Share& share, int64_t bytes) {
  if (bytes == 0) return;
  Half& half = HalfOf(bytes);
  half.held -= bytes;
  const auto it = half.by_client.find(share.client_);
  it->second.held -= bytes;
  if (it->second.first == &share) it->second.first = nullptr;
  if (it->second.held == 0) half.by_client.erase(it);
}

// `share` has been taken out.
bool AnswerBudget::HasRoom(const Share& share, int64_t bytes) {
  const Half& half = HalfOf(bytes);
  const auto it = half.by_client.find(share.client_);
  const Half::Holder own = it == half.by_client.end() ? Half::Holder{} : it->second;
  const int64_t others = half.held - own.held;
  if (own.first == nullptr) {
    return others <= half.most_beside_first &&
           (own.held == 0 || own.held + bytes <= half.most_beside_first);
  }
  return own.held + bytes <= (half.room - others) / 4 * 3;
}

void AnswerBudget::Share::Expect(int64_t bytes) {
  const std::lock_guard lock(budget_.mutex_);
  expected_ = bytes;
}

Status AnswerBudget::Share::Reserve(int64_t more) {
  if (more <= 0) return {};
  const std::lock_guard lock(budget_.mutex_);
  const int64_t bytes = bytes_ + more;
  if (bytes > budget_.most_)
    return InvalidInput("the answer would take ", Mebibytes(bytes), " MiB, --answer-memory is ",
                        Mebibytes(budget_.most_), " MiB; ask for less at once");
  budget_.TakeOut(*this, bytes_);
  const bool has_room = budget_.HasRoom(*this, bytes);
  PutBack(has_room ? bytes : bytes_);
  if (has_room) return {};
  was_refused_ = true;
  ++budget_.refused_;
  return Error(ErrorCode::kOverloaded,
               "Model is overloaded: answers that are computed or not yet read leave no room for "
               "another one (--answer-memory)");
}

void AnswerBudget::Share::Settle(int64_t bytes) {
  const std::lock_guard lock(budget_.mutex_);
  expected_ = 0;
  budget_.TakeOut(*this, bytes_);
  PutBack(bytes);
}

// Without memory to count it in, it counts nothing.
void AnswerBudget::Share::PutBack(int64_t bytes) {
  bytes_ = 0;
  budget_.Put(*this, bytes);
  bytes_ = bytes;
}

int64_t AnswerBudget::Share::bytes() const {
  const std::lock_guard lock(budget_.mutex_);
  return std::max(bytes_, expected_);
}

bool AnswerBudget::Share::was_refused() const {
  const std::lock_guard lock(budget_.mutex_);
  return was_refused_;
}

}  // namespace akin::server
