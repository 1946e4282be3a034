#include "server/http/connection_slots.h"

#include <utility>

namespace akin::server {

size_t ConnectionSlots::CountOf(const std::string& client) const {
  const auto it = clients_.find(client);
  return it == clients_.end() ? 0 : it->second;
}

bool ConnectionSlots::Admits(const std::string& client) const {
  if (size_ >= most_) return false;
  if (size_ < most_ - most_ / 8) return true;
  const size_t own = CountOf(client);
  const size_t others = size_ - own;
  return own < (most_ - others + 1) / 2;
}

ConnectionSlots::Slot* ConnectionSlots::IdleFor(const std::string& client, TimePoint now) const {
  const size_t own = CountOf(client);
  size_t looks = 0;
  for (Slot* const slot : never_asked_) {
    if (slot->client_->second >= own) return slot;
    if (++looks == kMostLooks) break;
  }
  Slot* found = nullptr;
  looks = 0;
  for (Slot* const slot : asked_) {
    if (now - slot->since_ < kPatience || ++looks > kMostLooks) break;
    const size_t size = slot->client_->second;
    const bool may = size > own || (size == own && slot->client() == client);
    if (may && (found == nullptr || size > found->client_->second)) found = slot;
  }
  return found;
}

bool ConnectionSlots::has_room(TimePoint now) const {
  return size_ < most_ || !never_asked_.empty() ||
         (!asked_.empty() && now - asked_.front()->since_ >= kPatience);
}

ConnectionSlots::Slot::Slot(ConnectionSlots& slots, const std::string& client, TimePoint now)
    : slots_(slots), client_(slots.clients_.try_emplace(client).first), since_(now) {
  ++client_->second;
  ++slots.size_;
  MoveTo(slots.never_asked_);
}

ConnectionSlots::Slot::~Slot() {
  Release();
  if (is_leaving_) --slots_.leaving_;
}

void ConnectionSlots::Slot::MoveTo(List& list) {
  list.splice(list.end(), *list_, place_);
  list_ = &list;
}

void ConnectionSlots::Slot::SetIdle(TimePoint now) {
  if (!is_idle() || has_asked_) Postpone(now);
}

void ConnectionSlots::Slot::Postpone(TimePoint now) {
  if (is_released_) return;
  since_ = now;
  MoveTo(has_asked_ ? slots_.asked_ : slots_.never_asked_);
}

void ConnectionSlots::Slot::SetBusy() {
  if (is_idle()) MoveTo(self_);
}

void ConnectionSlots::Slot::SetAsked(TimePoint now) {
  if (has_asked_) return;
  has_asked_ = true;
  if (is_idle()) Postpone(now);
}

void ConnectionSlots::Slot::Release() {
  if (is_released_) return;
  SetBusy();
  is_released_ = true;
  holder = nullptr;
  --slots_.size_;
  if (--client_->second == 0) slots_.clients_.erase(client_);
}

void ConnectionSlots::Slot::Leave() {
  Release();
  if (!std::exchange(is_leaving_, true)) ++slots_.leaving_;
}

}  // namespace akin::server
