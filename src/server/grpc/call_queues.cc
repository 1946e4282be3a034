#include "server/grpc/call_queues.h"

#include <algorithm>
#include <utility>

#include "server/grpc/call.h"

namespace akin::server {

void CallsByClient::Add(std::shared_ptr<Call> call) {
  const std::string& client = call->info().client;
  const auto it = calls_.try_emplace(client).first;
  try {
    it->second.push_back(std::move(call));
  } catch (...) {
    if (it->second.empty()) calls_.erase(it);
    throw;
  }
}

void CallsByClient::Remove(const Call& call) noexcept {
  const auto it = calls_.find(call.info().client);
  if (it == calls_.end()) return;
  auto& calls = it->second;
  const auto found =
      std::ranges::find_if(calls, [&](const auto& other) { return other.get() == &call; });
  if (found != calls.end()) calls.erase(found);
  if (calls.empty()) calls_.erase(it);
}

std::shared_ptr<Call> CallsByClient::FirstAfter(
    const std::string& client, const std::function<bool(const std::string&)>& may) const {
  auto it = calls_.upper_bound(client);
  for (size_t i = 0; i < calls_.size(); ++i, ++it) {
    if (it == calls_.end()) it = calls_.begin();
    if (may(it->first)) return it->second.front();
  }
  return nullptr;
}

void InflateQueue::Add(std::shared_ptr<Call> call) {
  waiting_.Add(std::move(call));
  GoOn();
}

void InflateQueue::GoOn() noexcept {
  if (is_posted_ || is_empty()) return;
  try {
    post_([this] { Step(); });
    is_posted_ = true;
  } catch (...) {  // No memory: the next time.
  }
}

void InflateQueue::Step() {
  is_posted_ = false;
  if (current_ == nullptr) {
    const auto now = std::chrono::steady_clock::now();
    current_ = waiting_.FirstAfter(
        last_client_, [&](const std::string& client) { return budget_.MayBegin(client, now); });
    if (current_ == nullptr) return;
    waiting_.Remove(*current_);
    try {
      last_client_ = current_->info().client;
    } catch (...) {  // No memory: the turn is not remembered.
    }
  }
  const std::shared_ptr<Call> call = current_;
  bool is_over = true;
  call->RunSafely([&] { is_over = call->InflateOn(); });
  if (is_over) current_ = nullptr;
  GoOn();
}

}  // namespace akin::server
