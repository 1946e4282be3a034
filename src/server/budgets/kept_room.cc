#include "server/budgets/kept_room.h"

#include <algorithm>
#include <cstdint>
#include <tuple>

namespace akin::server {

void KeptRoom::Offer(const std::string& client, size_t bytes, TimePoint since, TimePoint now) {
  const size_t held = budget_.held_bytes(client);
  if (now - since < kPatience || held + bytes > budget_.most_bytes() / kMostPart) return;
  if (is_kept_ && std::tie(held_, bytes_, since_) <= std::tie(held, bytes, since)) return;
  client_ = client;  // First, for it may throw.
  is_kept_ = true;
  bytes_ = bytes;
  held_ = held;
  since_ = since;
}

size_t KeptRoom::MostFor(const std::string& client) const {
  if (!is_kept_ || client == client_) return SIZE_MAX;
  if (budget_.HasRoomFor(client_, bytes_)) return 0;
  const size_t most = (held_ + bytes_) / kLittlePart;
  return most - std::min(most, budget_.held_bytes(client));
}

bool KeptRoom::NeedsMoreOf(const std::string& holder) const {
  if (!is_kept_ || budget_.HasRoomFor(client_, bytes_, ending_)) return false;
  return holder == client_ || budget_.held_bytes(holder) > budget_.held_bytes(client_);
}

}  // namespace akin::server
