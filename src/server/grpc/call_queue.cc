#include "server/grpc/call_queue.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/grpc/call.h"

namespace akin::server {

void CallQueue::Add(std::shared_ptr<Call> call, bool later) {
  auto& waiting = (later ? later_ : first_).waiting;
  const auto it = waiting.try_emplace(call->info().client).first;
  try {
    it->second.push_back(std::move(call));
  } catch (...) {
    if (it->second.empty()) waiting.erase(it);
    throw;
  }
  GoOn();
}

bool CallQueue::GoOnLater(std::shared_ptr<Call> call) noexcept {
  if (!later_.is_empty()) return false;
  later_.current = std::move(call);
  return true;
}

void CallQueue::Lane::Remove(const Call& call) noexcept {
  const auto it = waiting.find(call.info().client);
  if (it == waiting.end()) return;
  Calls& calls = it->second;
  // Mostly the first: those of a client end in their order.
  const auto place =
      std::ranges::find_if(calls, [&](const auto& other) { return other.get() == &call; });
  if (place != calls.end()) calls.erase(place);
  if (calls.empty()) waiting.erase(it);
}

void CallQueue::Remove(const Call& call) noexcept {
  first_.Remove(call);
  later_.Remove(call);
}

void CallQueue::ForEachFirst(const std::function<void(const Call&)>& look) const {
  for (const Lane* lane : {&first_, &later_}) {
    for (const auto& [client, calls] : lane->waiting) look(*calls.front());
  }
}

bool CallQueue::HasOneThat(const std::function<bool(const std::string&)>& is_so) const {
  const auto has_one = [&](const Lane& lane) {
    return std::ranges::any_of(lane.waiting, [&](const auto& each) { return is_so(each.first); });
  };
  return has_one(first_) || has_one(later_);
}

void CallQueue::GoOn() noexcept {
  if (is_posted_ || is_empty()) return;
  try {
    post_([this] { Step(); });
    is_posted_ = true;
  } catch (...) {  // No memory: the next time.
  }
}

void CallQueue::BeginNext(Lane& lane) {
  auto it = lane.waiting.upper_bound(lane.last_client);
  for (size_t i = 0; i < lane.waiting.size(); ++i, ++it) {
    if (it == lane.waiting.end()) it = lane.waiting.begin();
    std::shared_ptr<Call> call = it->second.front();
    if (!may_begin_(*call)) continue;
    lane.Remove(*call);
    try {
      lane.last_client = call->info().client;
    } catch (...) {  // No memory: the turn is not remembered.
    }
    lane.current = std::move(call);
    return;
  }
}

bool CallQueue::StepOf(Lane& lane) {
  if (lane.current == nullptr) BeginNext(lane);
  if (lane.current == nullptr) return false;
  const std::shared_ptr<Call> call = lane.current;
  bool is_over = true;
  call->RunSafely([&] { is_over = step_(*call); });
  if (is_over) lane.current = nullptr;
  return true;
}

void CallQueue::Step() {
  is_posted_ = false;
  std::array<Lane*, 2> lanes = {&first_, &later_};
  // Tried once each time, whether it may begin or not.
  if (std::exchange(steps_before_later_, steps_before_later_ - 1) == 0) {
    steps_before_later_ = kStepsBeforeLater;
    std::ranges::reverse(lanes);
  }
  for (Lane* lane : lanes) {
    if (!StepOf(*lane)) continue;
    if (lane == &later_ || later_.is_empty()) steps_before_later_ = kStepsBeforeLater;
    return GoOn();
  }
}

}  // namespace akin::server
