#include "batching/request_queue.h"

#include <algorithm>
#include <new>
#include <utility>

namespace akin::batching {
namespace {

// What a request gets before its neighbours are looked at again: long enough to keep the search for
// the next one cheap, short beside a batch.
constexpr size_t kTurnTokens = 256;
// A batch is not made smaller than this for the sake of other threads: a batch of fewer tokens
// waits for the weights that it reads, and two of them read these twice.
constexpr size_t kLeastShare = 32;

}  // namespace

RequestQueue::RequestQueue(const QueueOptions& options)
    : options_(options),
      shares_({.requests = options.max_requests,
               .tokens = options.max_tokens,
               .bytes = options.max_bytes},
              options.batch_tokens) {}

std::optional<QueueBound> RequestQueue::FullFor(const QueuedRequest& info) const {
  return shares_.FullFor(info.client, info.estimated_tokens, info.bytes);
}

bool RequestQueue::Admit(QueuedRequest info) {
  if (FullFor(info)) return false;
  // What takes memory comes first: a request without a client would end a worker later.
  std::list<Request*> place(1);
  Lane& lane = LaneOf(info);
  const auto [it, is_new] = lane.clients.try_emplace(info.client);
  Request* added = nullptr;
  try {
    added = &requests_[info.id];
    added->part = shares_.Take(info.client, info.estimated_tokens, info.bytes, info.priority);
  } catch (...) {
    if (added != nullptr) requests_.erase(info.id);
    if (is_new) lane.clients.erase(it);
    throw;
  }
  Client& client = it->second;
  Request& request = *added;
  request.info = std::move(info);
  request.waiting_tokens = request.info.estimated_tokens;
  CountActionable(request, true);
  if (is_new) client.served = lane.served;
  request.arrival = ++arrivals_;
  request.virtual_start = client.virtual_time;
  place.front() = &request;
  Enqueue(client, place, request.waiting_tokens);
  return true;
}

void RequestQueue::Enqueue(Client& client, std::list<Request*>& place, size_t tokens) noexcept {
  Request& request = *place.front();
  request.virtual_finish = request.virtual_start + static_cast<double>(tokens);
  const auto order = [](const Request& it) { return std::pair(it.virtual_finish, it.arrival); };
  const auto later = std::ranges::find_if(
      client.waiting, [&](const Request* other) { return order(*other) > order(request); });
  client.waiting.splice(later, place);
}

void RequestQueue::SetSequences(RequestId id, std::vector<QueuedSequence> sequences) noexcept {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  Request& request = it->second;
  size_t tokens = 0;
  for (const auto& sequence : sequences) tokens += static_cast<size_t>(sequence.length);
  request.state = State::kReady;
  request.sequences = std::move(sequences);
  SetWaitingTokens(request, tokens);
  Client& client = LaneOf(request.info).clients.at(request.info.client);
  std::list<Request*> place;
  place.splice(place.end(), client.waiting, std::ranges::find(client.waiting, &request));
  Enqueue(client, place, tokens);
  CountActionable(request, request.actionable());
}

Work RequestQueue::Next(size_t threads, TimePoint now) {
  Lane& queries = lanes_[static_cast<size_t>(QueuePriority::kQuery)];
  Lane& bulk = lanes_[static_cast<size_t>(QueuePriority::kBulk)];
  const bool bulk_first = query_batches_ >= kQueryBatchesInARow;
  for (Lane* lane : {bulk_first ? &bulk : &queries, bulk_first ? &queries : &bulk}) {
    if (Request* request = NextToTokenize(*lane, now)) {
      request->state = State::kTokenizing;
      CountActionable(*request, false);
      return {.kind = Work::Kind::kTokenize, .request = request->info.id};
    }
    std::vector<Pick> batch = TakeBatch(*lane, threads, now);
    if (batch.empty()) continue;
    query_batches_ = lane == &queries && !bulk.clients.empty() ? query_batches_ + 1 : 0;
    return {.kind = Work::Kind::kCompute, .batch = std::move(batch)};
  }
  return {};
}

// Only as far ahead as a batch needs: texts of a client that has a batch's worth of tokens ready
// before them are tokenized later, so that a flood of one client does not keep the workers from the
// others.
RequestQueue::Request* RequestQueue::NextToTokenize(Lane& lane, TimePoint now) {
  Request* next = nullptr;
  const Client* next_client = nullptr;
  for (const auto& [name, client] : lane.clients) {
    size_t ready_tokens = 0;
    Request* first = nullptr;
    for (Request* request : client.waiting) {
      if (request->state == State::kReady) ready_tokens += request->waiting_tokens;
      if (request->state == State::kUntokenized && !request->has_expired(now)) first = request;
      if (first != nullptr) break;
    }
    if (first == nullptr || ready_tokens >= options_.batch_tokens) continue;
    if (next == nullptr || client.served < next_client->served) {
      next = first;
      next_client = &client;
    }
  }
  return next;
}

// Tokens of a batch when what is ready is shared out among the threads.
size_t RequestQueue::Share(const Lane& lane, size_t threads) const {
  size_t ready = 0;
  for (const auto& [name, client] : lane.clients) {
    for (const Request* request : client.waiting) {
      if (request->state == State::kReady) ready += request->waiting_tokens;
    }
  }
  const size_t even = (ready + threads - 1) / std::max<size_t>(1, threads);
  return std::min(options_.batch_tokens, std::max(kLeastShare, even));
}

std::vector<Pick> RequestQueue::TakeBatch(Lane& lane, size_t threads, TimePoint now) {
  const size_t budget = Share(lane, threads);
  std::vector<Pick> batch;
  size_t used = 0;
  uint64_t group = 0;
  const auto fits = [&](const Request& request) {
    if (request.state != State::kReady || request.has_expired(now)) return false;
    if (batch.empty()) return true;
    const QueuedSequence& next = request.sequences[request.next];
    return next.group == group && used + static_cast<size_t>(next.length) <= budget;
  };
  while (used < budget) {
    Client* client = nullptr;
    Request* request = nullptr;
    for (auto& [name, candidate] : lane.clients) {
      if (client != nullptr && candidate.served >= client->served) continue;
      const auto first =
          std::ranges::find_if(candidate.waiting, [&](const Request* it) { return fits(*it); });
      if (first == candidate.waiting.end()) continue;
      client = &candidate;
      request = *first;
    }
    if (request == nullptr) break;
    if (batch.empty()) group = request->sequences[request->next].group;
    // The request stays valid: it leaves the queue with its last Finish. The client may leave the
    // lane with the request's last sequence.
    for (size_t turn = 0; request->waits() && turn < kTurnTokens && fits(*request);) {
      const auto length = static_cast<size_t>(request->sequences[request->next].length);
      try {
        Begin(lane, *client, *request, batch);
      } catch (const std::bad_alloc&) {
        // What has begun has begun: a smaller batch.
        if (batch.empty()) throw;
        return batch;
      }
      turn += std::max<size_t>(1, length);
      used += length;
      if (used >= budget) break;
    }
  }
  return batch;
}

void RequestQueue::Begin(Lane& lane, Client& client, Request& request, std::vector<Pick>& batch) {
  const auto length = static_cast<size_t>(request.sequences[request.next].length);
  const uint64_t cost = std::max<uint64_t>(1, length);
  batch.push_back({request.info.id, static_cast<uint32_t>(request.next)});
  lane.served = std::max(lane.served, client.served);
  client.served += cost;
  client.virtual_time += static_cast<double>(cost) / static_cast<double>(client.waiting.size());
  ++request.next;
  SetWaitingTokens(request, request.waiting_tokens - length);
  if (request.waits()) return;
  CountActionable(request, false);
  LeaveLane(request);
}

bool RequestQueue::Finish(RequestId id) noexcept {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return false;
  Request& request = it->second;
  if (++request.finished < request.sequences.size()) return false;
  Erase(it);
  return true;
}

bool RequestQueue::Remove(RequestId id) noexcept {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return false;
  Erase(it);
  return true;
}

bool RequestQueue::HasExpired(TimePoint now) const {
  return std::ranges::any_of(requests_,
                             [now](const auto& entry) { return entry.second.has_expired(now); });
}

std::vector<RequestId> RequestQueue::TakeExpired(TimePoint now) {
  std::vector<RequestId> expired;
  for (const auto& [id, request] : requests_) {
    if (request.has_expired(now)) expired.push_back(id);
  }
  for (const RequestId id : expired) Remove(id);
  return expired;
}

void RequestQueue::SetWaitingTokens(Request& request, size_t tokens) noexcept {
  shares_.SetTokens(request.part, tokens);
  request.waiting_tokens = tokens;
}

void RequestQueue::CountActionable(Request& request, bool actionable) noexcept {
  if (request.counted == actionable) return;
  request.counted = actionable;
  actionable ? ++num_actionable_ : --num_actionable_;
}

void RequestQueue::LeaveLane(Request& request) noexcept {
  Lane& lane = LaneOf(request.info);
  const auto client = lane.clients.find(request.info.client);
  if (client == lane.clients.end()) return;
  std::erase(client->second.waiting, &request);
  if (client->second.waiting.empty()) lane.clients.erase(client);
}

void RequestQueue::Erase(std::unordered_map<RequestId, Request>::iterator it) noexcept {
  shares_.GiveBack(it->second.part);
  CountActionable(it->second, false);
  LeaveLane(it->second);
  requests_.erase(it);
}

}  // namespace akin::batching
