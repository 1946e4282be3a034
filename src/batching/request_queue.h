// The requests of many callers, and which of their texts are computed together next. Pure logic: no
// threads, the clock is handed in.
//
// A request waits for its texts to be tokenized, then for its sequences to be computed. Workers ask
// `Next` what to do, whenever they have nothing to do: nobody waits for a batch to fill up, and
// batches grow by themselves when requests come faster than they are computed.
//
// Who is next:
// - Queries go before bulk, but after kQueryBatchesInARow batches of queries a waiting bulk request
//   gets one, so that nothing waits for ever.
// - Between the clients of one priority tokens are shared out evenly (start-time fair queueing: the
//   client that has got the fewest tokens is next; one that comes back starts where the others
//   are).
// - The requests of one client are served one after the other, in the order in which even sharing
//   would finish them (weighted fair queueing, Demers, Keshav and Shenker 1989: of requests that
//   would share the machine, the one to finish first is served first). None is done later than it
//   would be by sharing, most are done sooner: of eight equal requests the first has its answer
//   after one eighth of the time instead of all eight at the end, and a request of one text still
//   does not wait for one of 2,000.
// - A batch holds sequences of one group only: what the engine can compute in one call.
//
// Who is taken into the queue at all, so that nobody fills it for the others: client_shares.h.
//
// Memory may run out: what throws std::bad_alloc then has changed nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "batching/client_shares.h"
#include "batching/queue_priority.h"

namespace akin::batching {

using TimePoint = std::chrono::steady_clock::time_point;
using RequestId = uint64_t;

struct QueueOptions {
  // What a client alone may hold, or several together as client_shares.h has it.
  size_t max_requests = 512;      // Waiting or under way.
  size_t max_tokens = 64 * 4096;  // Not yet taken by a batch.
  size_t max_bytes = SIZE_MAX;    // Of all requests, until they have left.
  size_t batch_tokens = 4096;     // The token budget; a longer sequence is a batch of its own.
};

struct QueuedRequest {
  RequestId id = 0;
  QueuePriority priority = QueuePriority::kQuery;
  std::string client;                 // Whom the request counts for.
  std::optional<TimePoint> deadline;  // What has not begun by then is dropped.
  size_t estimated_tokens = 0;        // Until SetSequences knows better.
  size_t bytes = 0;                   // That it holds.
};

// A sequence that waits to be computed.
struct QueuedSequence {
  int32_t length = 0;  // Tokens.
  uint64_t group = 0;  // It is computed only with others of the same.
};

// One sequence of a request.
struct Pick {
  RequestId request = 0;
  uint32_t sequence = 0;
  friend bool operator==(const Pick&, const Pick&) = default;
};

// What a worker does next.
struct Work {
  enum class Kind { kNothing, kTokenize, kCompute };
  Kind kind = Kind::kNothing;
  RequestId request = 0;    // kTokenize: SetSequences or Remove follows.
  std::vector<Pick> batch;  // kCompute: Finish follows for each.
};

class RequestQueue {
 public:
  explicit RequestQueue(const QueueOptions& options);

  // Takes a request, or refuses it: the queue has no room for its client's requests, tokens, or
  // (what is cut has few tokens and may have many bytes) bytes. An empty queue takes any. May
  // throw.
  [[nodiscard]] bool Admit(QueuedRequest request);
  // What the queue is too full of for it, by its client, tokens and bytes; none: Admit takes it.
  std::optional<QueueBound> FullFor(const QueuedRequest& request) const;
  // The request has these sequences, at least one. Requests that were removed meanwhile are passed
  // over.
  void SetSequences(RequestId id, std::vector<QueuedSequence> sequences) noexcept;
  // What the asking worker does now. What waits is shared out among `threads`: all that compute,
  // those at work included, which come for their part next. What has expired by `now` is not begun.
  // May throw.
  Work Next(size_t threads, TimePoint now = TimePoint::min());
  // One of the request's sequences was computed. True with the last one: the request has left.
  bool Finish(RequestId id) noexcept;
  // The request is not wanted any more: what has not begun never will. False if it has left.
  bool Remove(RequestId id) noexcept;
  // Whether TakeExpired would find any.
  bool HasExpired(TimePoint now) const;
  // Requests whose deadline has passed before all of their sequences had begun; they have left. May
  // throw.
  std::vector<RequestId> TakeExpired(TimePoint now);

  size_t num_requests() const { return requests_.size(); }
  // Tokens that wait, as far as they are known; estimates otherwise.
  size_t waiting_tokens() const { return shares_.all().tokens; }
  size_t held_bytes() const { return shares_.all().bytes; }
  const ClientShares& shares() const { return shares_; }
  // Whether another worker would find something to do (as far as the priorities let it).
  bool has_work() const { return num_actionable_ > 0; }
  bool Contains(RequestId id) const { return requests_.contains(id); }

 private:
  enum class State { kUntokenized, kTokenizing, kReady };
  struct Request {
    QueuedRequest info;
    State state = State::kUntokenized;
    std::vector<QueuedSequence> sequences;
    size_t next = 0;            // The first sequence that has not begun.
    size_t finished = 0;        // Sequences computed.
    size_t waiting_tokens = 0;  // Of those that have not begun.
    ClientShares::Part part;
    uint64_t arrival = 0;       // Counts up.
    double virtual_start = 0;   // The client's virtual time when the request came,
    double virtual_finish = 0;  // and when its last token would be served by even sharing.
    bool counted = false;       // In num_actionable_.
    bool waits() const { return state != State::kReady || next < sequences.size(); }
    bool has_expired(TimePoint now) const {
      return info.deadline && *info.deadline <= now && waits();
    }
    bool actionable() const { return state != State::kTokenizing && waits(); }
  };
  struct Client {
    uint64_t served = 0;
    // Tokens that each of its requests would have got by even sharing: goes on by 1 / n with each
    // token that is served while n requests wait.
    double virtual_time = 0;
    std::list<Request*> waiting;  // By virtual finish, equal ones in order of arrival.
  };
  struct Lane {
    std::map<std::string, Client> clients;  // Those with a waiting request.
    uint64_t served = 0;  // Where the client stood that was served last: newcomers start here.
  };

  Lane& LaneOf(const QueuedRequest& request) {
    return lanes_[static_cast<size_t>(request.priority)];
  }
  Request* NextToTokenize(Lane& lane, TimePoint now);
  std::vector<Pick> TakeBatch(Lane& lane, size_t threads, TimePoint now);
  size_t Share(const Lane& lane, size_t threads) const;
  // Puts a request of `client`, which is the one entry of `place`, where its virtual finish
  // belongs.
  static void Enqueue(Client& client, std::list<Request*>& place, size_t tokens) noexcept;
  void Begin(Lane& lane, Client& client, Request& request, std::vector<Pick>& batch);
  void SetWaitingTokens(Request& request, size_t tokens) noexcept;
  void CountActionable(Request& request, bool actionable) noexcept;
  void LeaveLane(Request& request) noexcept;
  void Erase(std::unordered_map<RequestId, Request>::iterator it) noexcept;

  const QueueOptions options_;
  ClientShares shares_;
  std::unordered_map<RequestId, Request> requests_;
  Lane lanes_[2];
  uint64_t arrivals_ = 0;
  size_t num_actionable_ = 0;
  int query_batches_ = 0;  // In a row, while bulk waited.
};

}  // namespace akin::batching
