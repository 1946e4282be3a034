// Many callers, one machine: requests are queued, joined into ragged batches by a token budget, and
// computed by threads of the scheduler's own. This is what a server needs in front of an Embedder;
// a program with one caller is better served by Embedder::Embed, which computes where it is called.
//
//   AKIN_TRY_ASSIGN(auto scheduler, akin::Scheduler::Start({}));
//   scheduler->Submit(akin::EmbedRequest{.embedder = embedder, .texts = {"a text"}},
//                     [](akin::Result<akin::AllEmbeddings> answer) { answer->dense; });
//
// What is made of a text has the same bits as from the Embedder, whatever it was computed with.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "akin/embedder.h"
#include "akin/options.h"
#include "akin/result.h"

namespace akin {

enum class Priority {
  kQuery,  // Somebody waits: goes first.
  kBulk,   // Goes when no query waits, and at least once in eight batches.
};

struct SchedulerOptions {
  int num_threads = 0;     // Workers. 0: as many as this machine allows.
  int batch_tokens = 512;  // The most tokens in a batch; a longer text is one of its own.
  // What a client alone may have in the queue; more is refused. Several share it out: one may have
  // so much of it that as much for each would fit, whatever the others have taken before, so that
  // nobody fills the queue for the others. All together have at most twice as much, the first
  // request of a client in any size while the others have no more than one alone may, and small
  // first ones (a batch's tokens, 64 KiB) in a reserve of an eighth of max_requests.
  int max_requests = 512;          // Waiting or under way.
  int64_t max_tokens = 64 * 4096;  // That wait. A larger request is taken as a first one.
  // Of the texts of requests, until they are answered. Likewise, but of all together, and three
  // quarters of a client alone: memory.
  int64_t max_bytes = int64_t{128} << 20;
};

// On what terms a request waits.
struct RequestTerms {
  Priority priority = Priority::kQuery;
  std::string client;  // Tokens and room in the queue are shared out evenly among clients.
  // What has not begun by then is dropped: DeadlineExceeded. A batch under way of which no request
  // has more time is ended by the backends native and onnxruntime; others compute on.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // Asked once of a request of texts when it begins: its texts have been read and have so many
  // tokens, nothing has been computed. With an error it ends there, and `done` gets that. Runs on
  // the thread that has read; does not throw.
  std::function<Status(int64_t tokens)> begin;
  // A request of a few words, when nothing else waits or is under way and the native backend is
  // done with it in some milliseconds, may be computed by the thread that submits it: `done` is
  // called before Submit returns. Saves two hand-overs between threads.
  bool may_compute_here = false;
};

// Embedder::EmbedAll of texts. Equal ones are computed once.
struct EmbedRequest {
  Embedder embedder;
  std::vector<std::string> texts;
  std::vector<Output> outputs = {Output::kDense};
  EmbedOptions options;
  RequestTerms terms;
};

// Embedder::Classify of texts, or ScorePairs of those that have a second one.
struct ScoreRequest {
  struct Input {
    std::string first;
    std::optional<std::string> second;
  };
  Embedder embedder;
  std::vector<Input> inputs;
  ScoreOptions options;
  RequestTerms terms;
};

// Embedder::Rerank.
struct RerankRequest {
  Embedder embedder;
  std::string query;
  std::vector<std::string> documents;
  ScoreOptions options;
  RequestTerms terms;
};

// Any other work on the same threads, in the same queue, one batch of its own.
struct WorkRequest {
  std::function<void()> work;  // Runs on a worker. What it throws is the request's error.
  int64_t estimated_tokens = 1;
  RequestTerms terms;
  int64_t bytes = 0;  // Of texts that `work` holds.
};

// A moment's view.
struct SchedulerLoad {
  int64_t requests = 0;  // Waiting or under way.
  int64_t waiting_tokens = 0;
  int64_t bytes = 0;             // Of the requests' texts.
  double tokens_per_second = 0;  // As computed lately; 0 before the first batch.
  // When all that waits is computed, at the present speed; at least 1.
  int retry_after_seconds = 1;
};

// A moment's view of what one client has.
struct ClientLoad {
  int64_t requests = 0;  // Waiting or under way.
  int64_t waiting_tokens = 0;
  int64_t bytes = 0;  // Of the requests' texts.
  // The option that leaves no room for another request of it, however small; empty: there is room.
  std::string full;
  // When what waits of it is computed, at the present speed and beside what the others have; at
  // least 1, which it is until a first batch has shown the speed.
  int retry_after_seconds = 1;
};

// What has happened since the start.
struct SchedulerCounts {
  int64_t accepted = 0, refused = 0, completed = 0, failed = 0, expired = 0, cancelled = 0;
  // Those refused, by the first option that left no room: max_requests, max_tokens, max_bytes.
  int64_t refused_for_requests = 0, refused_for_tokens = 0, refused_for_bytes = 0;
  int64_t batches = 0, batch_sequences = 0, batch_tokens = 0;
  int64_t duplicates = 0;  // Sequences that were answered with what an equal one gave.
  // Batches by their size: element i counts those of at most 2^i, and more than the element before;
  // the last one all that are larger.
  std::array<int64_t, 14> batches_by_sequences{};
  std::array<int64_t, 22> batches_by_tokens{};
};

class Scheduler {
 public:
  // Called exactly once for each accepted request, on a worker, on the thread that cancels, or (if
  // the request's terms allow it) on the one that submits; it returns soon and does not throw.
  // Usage::queue_ms tells how long the request waited.
  template <typename Answer>
  using Done = std::function<void(Result<Answer>)>;
  using Ticket = uint64_t;

  // Error: InvalidInput (an option), Internal (no threads).
  static Result<std::unique_ptr<Scheduler>> Start(const SchedulerOptions& options);
  // Stops.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Returns at once. Errors: Overloaded (the client has no more room; the field is the option that
  // leaves none: "max_bytes");
  // InvalidInput (no texts). Then `done` is never called.
  Result<Ticket> Submit(EmbedRequest request, Done<AllEmbeddings> done);
  Result<Ticket> Submit(ScoreRequest request, Done<Scores> done);
  Result<Ticket> Submit(RerankRequest request, Done<Scores> done);
  // As above; `done` gets the error of a request that was dropped, or success after the work.
  Result<Ticket> Submit(WorkRequest request, Done<void> done);
  // `done` is called with Cancelled, here, unless it was already. What has not begun never will; a
  // batch under way goes on for the others in it. Without any, the backend onnxruntime ends it.
  void Cancel(Ticket ticket);

  // Finishes the batches under way; requests that wait, and later ones, get ServiceUnavailable.
  // Once.
  void Stop();
  // Waits for nobody: requests under way get ServiceUnavailable, too, and what is made of them is
  // dropped. Stop still waits for the threads that make it, which a backend may hold for long.
  void Abandon();

  SchedulerLoad Load() const;
  // `retry_after_seconds` for a request of this priority, before which not all that waits is
  // served; without one, when all of the client's is.
  ClientLoad LoadOf(const std::string& client,
                    std::optional<Priority> priority = std::nullopt) const;
  SchedulerCounts Counts() const;
  int num_threads() const;

 private:
  class Impl;
  explicit Scheduler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace akin
