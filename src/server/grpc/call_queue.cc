#include "server/grpc/call_queue.h"

#include <algorithm>
#include <utility>

#include "server/grpc/call.h"

namespace akin::server {

void CallQueue::Add(std::shared_ptr<Call> call, bool later) {
  const std::string& client = call->info().client;
  const auto it = waiting_.try_emplace(client).first;
  try {
    (later ? it->second.later : it->second.first).push_back(std::move(call));
  } catch (...) {
    if (it->second.empty()) waiting_.erase(it);
    throw;
  }
  GoOn();
}

void CallQueue::Remove(const Call& call) noexcept {
  const auto it = waiting_.find(call.info().client);
  if (it == waiting_.end()) return;
  Calls& calls = it->second;
  for (auto* some : {&calls.first, &calls.later})
    std::erase_if(*some, [&](const auto& other) { return other.get() == &call; });
  if (calls.empty()) waiting_.erase(it);
}

bool CallQueue::HasOneThat(const std::function<bool(const std::string&)>& is_so) const {
  return std::ranges::any_of(waiting_, [&](const auto& each) { return is_so(each.first); });
}

void CallQueue::GoOn() noexcept {
  if (is_posted_ || is_empty()) return;
  try {
    post_([this] { Step(); });
    is_posted_ = true;
  } catch (...) {  // No memory: the next time.
  }
}

std::shared_ptr<Call> CallQueue::Next() {
  auto it = waiting_.upper_bound(last_client_);
  for (size_t i = 0; i < waiting_.size(); ++i, ++it) {
    if (it == waiting_.end()) it = waiting_.begin();
    std::shared_ptr<Call> call = it->second.front();
    if (!may_begin_(*call)) continue;
    Remove(*call);
    try {
      last_client_ = call->info().client;
    } catch (...) {  // No memory: the turn is not remembered.
    }
    return call;
  }
  return nullptr;
}

void CallQueue::Step() {
  is_posted_ = false;
  if (current_ == nullptr) current_ = Next();
  if (current_ == nullptr) return;
  const std::shared_ptr<Call> call = current_;
  bool is_over = true;
  call->RunSafely([&] { is_over = step_(*call); });
  if (is_over) current_ = nullptr;
  GoOn();
}

}  // namespace akin::server
