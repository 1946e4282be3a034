#include "server/budgets/body_rooms.h"

#include <algorithm>
#include <utility>

namespace akin::server {

BodyRooms::Body::Body(BodyRooms& rooms, std::string client, MessageBudget::Floor* floor)
    : rooms_(rooms), client_(std::move(client)), share_(rooms.budget_, client_, floor) {}

BodyRooms::Answer BodyRooms::Body::Ask(size_t bytes, std::optional<size_t> length, size_t most,
                                       TimePoint now, std::function<void()> on_room) {
  if (Has(bytes)) return Answer::kRoom;
  // It holds a part beside others: if it waited, they might wait for each other.
  if (share_.bytes() > 0 && !share_.is_on_floor())
    return Grow(bytes, now) ? Answer::kRoom : Answer::kNone;
  if (share_.GrowOnFloor(length.value_or(bytes))) return Answer::kRoom;
  since_ = now;
  length_ = length;
  bytes_ = bytes;
  all_ = std::max(bytes, length.value_or(most));
  is_exact_ = length && all_ <= rooms_.most_ / 2;  // More never is for one client.
  const auto own = rooms_.waiting_.find(client_);
  if (own == rooms_.waiting_.end() && Take(now)) return Answer::kRoom;
  on_room_ = std::move(on_room);
  const auto it = rooms_.waiting_.try_emplace(client_).first;
  try {
    place_ = it->second.insert(it->second.end(), this);
  } catch (...) {
    if (it->second.empty()) rooms_.waiting_.erase(it);
    throw;
  }
  return Answer::kWaits;
}

bool BodyRooms::Body::Grow(size_t bytes, TimePoint now) {
  if (!share_.GrowBesideOthers(bytes)) return false;
  if (!rate_) rate_.emplace(LeastRate::kInRoom, now);
  return true;
}

bool BodyRooms::Body::Take(TimePoint now) {
  const size_t most = rooms_.kept_.MostFor(client_);
  return (all_ <= most && Grow(all_, now)) || (bytes_ <= most && TakesAPart() && Grow(bytes_, now));
}

void BodyRooms::Body::StopWaiting() noexcept {
  if (!place_) return;
  const auto it = rooms_.waiting_.find(client_);
  it->second.erase(*std::exchange(place_, std::nullopt));
  if (it->second.empty()) {
    if (rooms_.next_ == it) ++rooms_.next_;
    rooms_.waiting_.erase(it);
  }
  if (rooms_.kept_.IsFor(client_)) rooms_.Choose(rooms_.swept_);
}

bool BodyRooms::Body::TakeFloor(size_t bytes) noexcept {
  if (!place_ || !share_.GrowOnFloor(length_.value_or(bytes))) return false;
  StopWaiting();
  return true;
}

void BodyRooms::Body::Clear() noexcept {
  StopWaiting();
  rooms_.kept_.Ended(std::exchange(ending_bytes_, 0));
  rate_.reset();
  share_.Clear();
}

bool BodyRooms::Body::HoldsUpOthers(TimePoint now) noexcept {
  rooms_.Sweep(now);
  if (!rate_ || share_.is_on_floor()) return false;
  if (ending_bytes_ > 0) return true;
  if (!rate_->IsTooSlow(now)) return false;
  if (rooms_.kept_.NeedsMoreOf(client_)) {
    End();
    return true;
  }
  if (rooms_.ended_ == now) return false;
  if (!rooms_.waiting_.contains(client_) &&
      rooms_.least_held_ >= rooms_.budget_.held_bytes(client_))
    return false;
  rooms_.ended_ = now;
  End();
  return true;
}

void BodyRooms::Body::End() noexcept {
  ending_bytes_ = share_.bytes();
  rooms_.kept_.Ending(ending_bytes_);
}

void BodyRooms::GiveOut(size_t most_in_vain) noexcept {
  const TimePoint now = TimePoint::clock::now();
  for (size_t in_vain = 0; in_vain < std::min(most_in_vain, waiting_.size());) {
    const std::string* const due = in_vain == 0 ? kept_.client() : nullptr;
    if (due != nullptr) next_ = waiting_.find(*due);
    if (next_ == waiting_.end()) next_ = waiting_.begin();
    Body& first = *next_->second.front();
    ++next_;
    bool has_room = false;
    try {
      has_room = first.Take(now);
    } catch (...) {  // No memory: the next time.
    }
    if (!has_room) {
      ++in_vain;
      continue;
    }
    in_vain = 0;
    first.StopWaiting();
    first.on_room_();
  }
}

void BodyRooms::Choose(TimePoint now) noexcept {
  kept_.KeepForNobody();
  try {
    for (const auto& [client, bodies] : waiting_) {
      const Body& first = *bodies.front();
      kept_.Offer(client, first.all_, first.since_, now);
      if (first.TakesAPart()) kept_.Offer(client, first.bytes_, first.since_, now);
    }
  } catch (...) {  // No memory: the next time.
  }
}

// All that wait, once each time: whom nobody looked at as room came free, or for want of memory.
void BodyRooms::Sweep(TimePoint now) noexcept {
  if (std::exchange(swept_, now) == now) return;
  Choose(now);
  GiveOut(SIZE_MAX);
  least_held_ = SIZE_MAX;
  for (const auto& [client, bodies] : waiting_)
    least_held_ = std::min(least_held_, budget_.held_bytes(client));
}

}  // namespace akin::server
