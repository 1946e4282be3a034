#include "server/http2/message_budget.h"

#include <algorithm>

namespace akin::server {

bool MessageBudget::Share::GrowTo(size_t bytes) {
  if (Has(bytes)) return true;
  const size_t more = bytes - bytes_;
  const size_t own = budget_.held_bytes(client_);
  const size_t others = budget_.held_ - own;
  if (own + more > (budget_.most_ - others) / 2) return false;
  budget_.by_client_[client_] += more;  // First, for it may throw.
  budget_.held_ += more;
  bytes_ = bytes;
  return true;
}

void MessageBudget::Share::ShrinkTo(size_t bytes) {
  if (bytes >= bytes_) return;
  budget_.held_ -= bytes_ - bytes;
  budget_.by_client_.find(client_)->second -= bytes_ - bytes;
  bytes_ = bytes;
  if (budget_.on_room_) budget_.on_room_();
}

void MessageBudget::Share::Clear() {
  if (bytes_ == 0) return;
  budget_.held_ -= bytes_;
  const auto it = budget_.by_client_.find(client_);
  it->second -= bytes_;
  if (it->second == 0) budget_.by_client_.erase(it);
  bytes_ = 0;
  if (budget_.on_room_) budget_.on_room_();
}

}  // namespace akin::server
