#include "server/model_files_cache.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <list>
#include <map>
#include <mutex>
#include <utility>

#include "akin/system.h"

namespace akin::server {
namespace {

std::optional<ModelFiles> LookAt(const std::string& source, std::stop_token stop) {
  const Result<std::string> folder = FindModel(source);
  return folder ? LookAtModelFiles(*folder, std::move(stop)) : std::nullopt;
}

Error Stopped() { return Error(ErrorCode::kServiceUnavailable, "the server is stopping"); }

}  // namespace

struct ModelFilesCache::State {
  using Lock = std::unique_lock<std::mutex>;
  struct Seen {
    Clock::time_point when;
    std::optional<ModelFiles> files;
  };
  struct Waiting {
    Ticket ticket = 0;
    std::vector<std::string> sources;
    Clock::time_point deadline;
    Then then;
  };
  using Queue = std::list<Waiting>;

  State(Look the_look, Now the_now) : look(std::move(the_look)), now(std::move(the_now)) {}

  // With `mutex` held:
  bool IsFresh(const std::string& source) const {
    const auto it = seen.find(source);
    return it != seen.end() && now() - it->second.when < kLookAgain;
  }
  Found Known(const std::vector<std::string>& sources) const {
    Found found;
    for (const std::string& source : sources) {
      const auto it = seen.find(source);
      found.push_back(it == seen.end() ? std::nullopt : it->second.files);
    }
    return found;
  }
  // Those that are `such`, who wait no longer.
  template <typename Such>
  Queue Take(const Such& such) {
    Queue taken;
    for (auto it = waiting.begin(); it != waiting.end();) {
      const auto next = std::next(it);
      if (such(*it)) taken.splice(taken.end(), waiting, it);
      it = next;
    }
    return taken;
  }
  Queue TakeOne(Ticket ticket) {
    return Take([&](const Waiting& one) { return one.ticket == ticket; });
  }

  void AnswerUntilStopped();
  void Answer(Ticket ticket, const std::vector<std::string>& sources);

  const Look look;
  const Now now;
  std::stop_source stop;
  std::mutex mutex;  // Guards what follows; not held while a folder is looked at or one answered.
  std::condition_variable wake, ended;
  bool has_ended = false;
  Ticket last_ticket = 0;
  std::map<std::string, Seen> seen;  // By source: those that are served.
  Queue waiting;
};

ModelFilesCache::ModelFilesCache() : ModelFilesCache(LookAt) {}
ModelFilesCache::ModelFilesCache(Look look, Now now)
    : state_(std::make_shared<State>(std::move(look), std::move(now))) {}

ModelFilesCache::~ModelFilesCache() {
  Abandon();
  if (thread_.joinable()) thread_.join();
}

std::optional<ModelFilesCache::Ticket> ModelFilesCache::Of(std::vector<std::string> sources,
                                                           Clock::time_point deadline, Then then) {
  State& state = *state_;
  State::Lock lock(state.mutex);
  if (state.stop.stop_requested()) {
    lock.unlock();
    then(Stopped());
    return std::nullopt;
  }
  const bool all_fresh =
      std::ranges::all_of(sources, [&](const auto& source) { return state.IsFresh(source); });
  if (all_fresh || state.waiting.size() > kMostWaiting) {
    Found known = state.Known(sources);
    lock.unlock();
    then(std::move(known));
    return std::nullopt;
  }
  if (!thread_.joinable()) {
    thread_ = std::thread([of_its_own = state_] { of_its_own->AnswerUntilStopped(); });
  }
  const Ticket ticket = ++state.last_ticket;
  state.waiting.push_back({ticket, std::move(sources), deadline, std::move(then)});
  state.wake.notify_one();
  return ticket;
}

void ModelFilesCache::Cancel(Ticket ticket) {
  State::Lock lock(state_->mutex);
  const State::Queue gone = state_->TakeOne(ticket);
  lock.unlock();
  for (const auto& one : gone) one.then(Error(ErrorCode::kCancelled, "the request was cancelled"));
}

void ModelFilesCache::EndExpired() {
  const Clock::time_point now = state_->now();
  State::Lock lock(state_->mutex);
  const State::Queue expired =
      state_->Take([&](const State::Waiting& one) { return one.deadline <= now; });
  lock.unlock();
  for (const auto& one : expired) {
    one.then(Error(ErrorCode::kDeadlineExceeded,
                   "the deadline passed before the model's folder was read"));
  }
}

void ModelFilesCache::Abandon() {
  State::Lock lock(state_->mutex);
  state_->stop.request_stop();
  const State::Queue left = std::exchange(state_->waiting, {});
  state_->wake.notify_one();
  lock.unlock();
  for (const auto& one : left) one.then(Stopped());
}

bool ModelFilesCache::StopUntil(Clock::time_point until) {
  Abandon();
  if (!thread_.joinable()) return true;
  State::Lock lock(state_->mutex);
  const bool ends = state_->ended.wait_until(lock, until, [&] { return state_->has_ended; });
  lock.unlock();
  ends ? thread_.join() : thread_.detach();
  return ends;
}

void ModelFilesCache::State::AnswerUntilStopped() {
  Lock lock(mutex);
  while (true) {
    wake.wait(lock, [&] { return stop.stop_requested() || !waiting.empty(); });
    if (stop.stop_requested()) break;
    const Ticket ticket = waiting.front().ticket;
    try {
      const std::vector<std::string> sources = waiting.front().sources;
      lock.unlock();
      Answer(ticket, sources);
      lock.lock();
    } catch (...) {  // Out of memory: the request is let go of, and fails.
      if (!lock.owns_lock()) lock.lock();
      Queue failed = TakeOne(ticket);
      lock.unlock();
      failed.clear();
      lock.lock();
    }
  }
  has_ended = true;
  ended.notify_all();
}

void ModelFilesCache::State::Answer(Ticket ticket, const std::vector<std::string>& sources) {
  Lock lock(mutex);
  for (const std::string& source : sources) {
    if (IsFresh(source) || stop.stop_requested()) continue;
    lock.unlock();
    std::optional<ModelFiles> files = look(source, stop.get_token());
    lock.lock();
    if (!stop.stop_requested()) seen[source] = {now(), std::move(files)};
  }
  Found known = Known(sources);
  const Queue answered = TakeOne(ticket);  // Nobody, where it waits no longer.
  lock.unlock();
  for (const Waiting& one : answered) one.then(std::move(known));
}

}  // namespace akin::server
