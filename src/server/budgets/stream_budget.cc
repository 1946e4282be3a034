#include "server/budgets/stream_budget.h"

#include <algorithm>

namespace akin::server {

bool StreamBudget::Share::Place(size_t bytes, bool keyless, bool waiting) {
  if (PlaceWithOthers(bytes, keyless || waiting)) {
    LeaveFloor();
  } else {
    const size_t own = is_on_floor_ ? bytes_ : 0, own_idle = is_waiting_ ? own : 0;
    if (floor_.bytes - own + bytes > kFloorBytes) return false;
    if (waiting && floor_.idle_bytes - own_idle + bytes > kIdleFloorBytes) return false;
    LeaveFloor();
    all_.Clear();
    idle_.Clear();
    is_on_floor_ = true;
    floor_.bytes += bytes;
    if (waiting) floor_.idle_bytes += bytes;
  }
  bytes_ = bytes;
  is_keyless_ = keyless;
  is_waiting_ = waiting;
  return true;
}

bool StreamBudget::Share::PlaceWithOthers(size_t bytes, bool idle) {
  const size_t old = is_on_floor_ ? 0 : bytes_;
  if (!all_.GrowTo(bytes)) return false;
  if (!idle) {
    idle_.Clear();
    return true;
  }
  if (idle_.GrowTo(bytes)) return true;
  old == 0 ? all_.Clear() : all_.ShrinkTo(old);
  return false;
}

bool StreamBudget::Share::SetWaiting(bool waits) {
  if (waits == is_waiting_) return true;
  if (waits || is_on_floor_) return Place(bytes_, is_keyless_, waits);
  if (!is_keyless_) idle_.Clear();
  is_waiting_ = false;
  return true;
}

void StreamBudget::Share::ShrinkTo(size_t bytes) {
  if (bytes >= bytes_) return;
  if (is_on_floor_) {
    floor_.bytes -= bytes_ - bytes;
    if (is_waiting_) floor_.idle_bytes -= bytes_ - bytes;
  } else {
    all_.ShrinkTo(bytes);
    idle_.ShrinkTo(bytes);
  }
  bytes_ = bytes;
}

void StreamBudget::Share::LeaveFloor() {
  if (!is_on_floor_) return;
  floor_.bytes -= bytes_;
  if (is_waiting_) floor_.idle_bytes -= bytes_;
  is_on_floor_ = false;
}

}  // namespace akin::server
