#include "server/budgets/message_budget.h"

#include <algorithm>
#include <new>

namespace akin::server {

bool MessageBudget::Share::GrowBesideOthers(size_t bytes) noexcept {
  if (Has(bytes)) return true;
  const size_t more = bytes - (is_on_floor_ ? 0 : bytes_);
  if (!budget_.HasRoomFor(client_, more)) return false;
  try {
    budget_.by_client_[client_] += more;
  } catch (const std::bad_alloc&) {
    return false;
  }
  budget_.held_ += more;
  if (is_on_floor_) floor_->bytes -= bytes_;
  is_on_floor_ = false;
  bytes_ = bytes;
  return true;
}

bool MessageBudget::Share::GrowOnFloor(size_t bytes) noexcept {
  if (Has(bytes)) return true;
  if (floor_ == nullptr) return false;
  const size_t own = is_on_floor_ ? bytes_ : 0;
  if (floor_->bytes - own + bytes > kFloorBytes) return false;
  if (!is_on_floor_) GiveBack(bytes_);
  floor_->bytes += bytes - own;
  is_on_floor_ = true;
  bytes_ = bytes;
  return true;
}

void MessageBudget::Share::GiveBack(size_t bytes) {
  if (bytes == 0) return;
  if (is_on_floor_) {
    floor_->bytes -= bytes;
  } else {
    budget_.held_ -= bytes;
    const auto it = budget_.by_client_.find(client_);
    it->second -= bytes;
    if (it->second == 0) budget_.by_client_.erase(it);
  }
  bytes_ -= bytes;
  if (budget_.on_room_) budget_.on_room_();
}

void MessageBudget::Share::ShrinkTo(size_t bytes) {
  if (bytes < bytes_) GiveBack(bytes_ - bytes);
}

void MessageBudget::Share::Clear() {
  GiveBack(bytes_);
  is_on_floor_ = false;
}

}  // namespace akin::server
