#include "server/http/connection_slots.h"

#include <functional>
#include <tuple>

namespace akin::server {

bool ConnectionSlots::HasLess::operator()(const Client* a, const Client* b) const {
  if (a->size != b->size) return a->size < b->size;
  return std::less<>()(a, b);
}

bool ConnectionSlots::Admits(const std::string& client) const {
  if (size_ >= most_) return false;
  if (size_ < most_ - most_ / 8) return true;
  const auto it = clients_.find(client);
  const size_t own = it == clients_.end() ? 0 : it->second.size;
  const size_t others = size_ - own;
  return own < (most_ - others) / 2;
}

ConnectionSlots::Slot* ConnectionSlots::IdleFor(const std::string& client) const {
  if (with_idle_.empty()) return nullptr;
  const auto it = clients_.find(client);
  const size_t own = it == clients_.end() ? 0 : it->second.size;
  const Client& most = **with_idle_.rbegin();
  if (most.size > own) return most.idle.front();
  if (own == 0 || it->second.idle.empty()) return nullptr;
  return it->second.idle.front();
}

template <typename Change>
void ConnectionSlots::Reorder(Client& client, Change change) {
  if (client.place.empty()) client.place = with_idle_.extract(&client);
  change();
  if (!client.idle.empty()) with_idle_.insert(std::move(client.place));
}

ConnectionSlots::Slot::Slot(ConnectionSlots& slots, const std::string& client) : slots_(slots) {
  client_ = slots.clients_.try_emplace(client).first;
  Client& owner = client_->second;
  if (owner.size == 0) {
    // The only memory that it needs among the others, from now on.
    try {
      owner.place = slots.with_idle_.extract(slots.with_idle_.insert(&owner).first);
    } catch (...) {
      slots.clients_.erase(client_);
      throw;
    }
  }
  slots.Reorder(owner, [&] { ++owner.size; });
  ++slots.size_;
  SetIdle();
}

void ConnectionSlots::Slot::SetIdle() {
  if (is_released_) return;
  Client& owner = client_->second;
  const bool was_idle = std::exchange(is_idle_, true);
  slots_.Reorder(
      owner, [&] { owner.idle.splice(owner.idle.end(), was_idle ? owner.idle : self_, place_); });
}

void ConnectionSlots::Slot::SetBusy() {
  if (is_released_ || !std::exchange(is_idle_, false)) return;
  Client& owner = client_->second;
  slots_.Reorder(owner, [&] { self_.splice(self_.end(), owner.idle, place_); });
}

void ConnectionSlots::Slot::Release() {
  if (is_released_) return;
  SetBusy();
  is_released_ = true;
  holder = nullptr;
  Client& owner = client_->second;
  slots_.Reorder(owner, [&] { --owner.size; });
  --slots_.size_;
  if (owner.size == 0) slots_.clients_.erase(client_);
}

}  // namespace akin::server
