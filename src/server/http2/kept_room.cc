#include "server/http2/kept_room.h"

namespace akin::server {

void KeptRoom::Offer(const std::string& client, size_t bytes, TimePoint since, TimePoint now) {
  const size_t held = budget_.held_bytes(client);
  if (now - since < kPatience || held + bytes > budget_.most_bytes() / kMostPart) return;
  if (is_kept_ && (held_ < held || (held_ == held && since_ <= since))) return;
  client_ = client;  // First, for it may throw.
  is_kept_ = true;
  bytes_ = bytes;
  held_ = held;
  since_ = since;
}

bool KeptRoom::NeedsMoreOf(const std::string& holder) const {
  if (!is_kept_ || budget_.HasRoomFor(client_, bytes_, ending_)) return false;
  return holder == client_ || budget_.held_bytes(holder) > budget_.held_bytes(client_);
}

}  // namespace akin::server
