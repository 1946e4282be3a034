#include "server/model_files_cache.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "akin/system.h"

namespace akin::server {
namespace {

constexpr auto kLookAgain = std::chrono::seconds(5);

std::optional<ModelFiles> LookAt(const std::string& source, std::stop_token stop) {
  const Result<std::string> folder = FindModel(source);
  return folder ? LookAtModelFiles(*folder, std::move(stop)) : std::nullopt;
}

}  // namespace

ModelFilesCache::ModelFilesCache() : look_(LookAt) {}

bool ModelFilesCache::IsFresh(const std::string& source) const {
  const auto seen = seen_.find(source);
  return seen != seen_.end() && Clock::now() - seen->second.when < kLookAgain;
}

ModelFilesCache::Found ModelFilesCache::Known(const std::vector<std::string>& sources) const {
  Found found;
  for (const std::string& source : sources) {
    const auto seen = seen_.find(source);
    found.push_back(seen == seen_.end() ? std::nullopt : seen->second.files);
  }
  return found;
}

void ModelFilesCache::Of(std::vector<std::string> sources, Then then) {
  std::unique_lock lock(mutex_);
  const bool all_fresh = std::ranges::all_of(sources, [&](const auto& s) { return IsFresh(s); });
  if (all_fresh || waiting_.size() >= kMostWaiting || stop_.stop_requested()) {
    Found known = Known(sources);
    lock.unlock();
    return then(std::move(known));
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { AnswerUntilStopped(); });
  waiting_.push_back({std::move(sources), std::move(then)});
  wake_.notify_one();
}

void ModelFilesCache::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_.request_stop();
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ModelFilesCache::AnswerUntilStopped() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_.stop_requested() || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Waiting waiting = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    try {
      Answer(std::move(waiting));
    } catch (const std::exception&) {  // Out of memory: the request is let go of, and fails.
    }
    lock.lock();
  }
}

void ModelFilesCache::Answer(Waiting waiting) {
  std::unique_lock lock(mutex_);
  for (const std::string& source : waiting.sources) {
    if (IsFresh(source) || stop_.stop_requested()) continue;
    lock.unlock();
    std::optional<ModelFiles> files = look_(source, stop_.get_token());
    lock.lock();
    if (!stop_.stop_requested()) seen_[source] = {Clock::now(), std::move(files)};
  }
  Found known = Known(waiting.sources);
  lock.unlock();
  waiting.then(std::move(known));
}

}  // namespace akin::server
