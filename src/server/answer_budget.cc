#include "server/answer_budget.h"

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

// Those below with the mutex held.

void AnswerBudget::Add(const std::string& client, int64_t bytes, int sign) {
  if (bytes == 0) return;
  Half& half = HalfOf(bytes);
  half.held += sign * bytes;
  const auto it = half.by_client.try_emplace(client, 0).first;
  it->second += sign * bytes;
  if (it->second == 0) half.by_client.erase(it);
}

bool AnswerBudget::HasRoom(const std::string& client, int64_t bytes) {
  const Half& half = HalfOf(bytes);
  const auto it = half.by_client.find(client);
  const int64_t own = it == half.by_client.end() ? 0 : it->second;
  const int64_t others = half.held - own;
  if (own == 0) return others <= half.most_beside_first;
  return own + bytes <= (half.room - others) / 4 * 3;
}

void AnswerBudget::Share::Expect(int64_t bytes) {
  const std::lock_guard lock(budget_.mutex_);
  expected_ = bytes;
}

Status AnswerBudget::Share::Reserve(int64_t more) {
  const std::lock_guard lock(budget_.mutex_);
  const int64_t bytes = bytes_ + more;
  if (bytes > budget_.most_)
    return InvalidInput("the answer would take ", Mebibytes(bytes), " MiB, --answer-memory is ",
                        Mebibytes(budget_.most_), " MiB; ask for less at once");
  budget_.Add(client_, bytes_, -1);
  const bool has_room = budget_.HasRoom(client_, bytes);
  if (has_room) bytes_ = bytes;
  budget_.Add(client_, bytes_, 1);
  if (has_room) return {};
  was_refused_ = true;
  return Error(ErrorCode::kOverloaded,
               "Model is overloaded: answers that are computed or not yet read leave no room for "
               "another one (--answer-memory)");
}

void AnswerBudget::Share::Settle(int64_t bytes) {
  const std::lock_guard lock(budget_.mutex_);
  budget_.Add(client_, bytes_, -1);
  bytes_ = bytes;
  expected_ = 0;
  budget_.Add(client_, bytes_, 1);
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
