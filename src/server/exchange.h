// One request on its way to its answer: what a handler holds on to while others compute.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/api/failure.h"
#include "server/budgets/answer_budget.h"
#include "server/http/message.h"

namespace akin::server {

class RequestTally;

// What an answer cost, for the log, the metrics and the answer's headers.
struct ExchangeCosts {
  std::string model;
  int64_t texts = 0;
  int64_t characters = 0;
  int64_t tokens = 0;
  int64_t truncated_tokens = 0;
  double tokenize_ms = 0, queue_ms = 0, compute_ms = 0;
  bool computed = false;  // The model has run.
};

// Where a request stands in a distributed trace (W3C Trace Context).
struct TraceContext {
  std::string trace_id;   // 32 hexadecimal digits.
  std::string parent_id;  // The caller's span, 16 digits; empty: there is none.
  std::string span_id;    // Ours.
  bool sampled = false;
};

// Who asks, when, and in whose trace.
struct RequestIdentity {
  std::string id;    // From the request's header, or made.
  std::string peer;  // The client's address.
  TraceContext trace;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
};

// A caller that may go away, and what is to be done then. Of any thread.
class Departure {
 public:
  // `call` runs when the caller leaves; at once, if it has gone already.
  void OnLeave(std::function<void()> call) {
    {
      const std::lock_guard lock(mutex_);
      if (!left_) {
        calls_.push_back(std::move(call));
        return;
      }
    }
    call();
  }
  void Leave() {
    std::vector<std::function<void()>> calls;
    {
      const std::lock_guard lock(mutex_);
      left_ = true;
      calls.swap(calls_);
    }
    for (const auto& call : calls) call();
  }

 private:
  std::mutex mutex_;
  bool left_ = false;                         // Guarded by mutex_,
  std::vector<std::function<void()>> calls_;  // likewise.
};

// Shared by the connection and whoever works on the answer. `Respond` may be called on any thread;
// the first call counts. An exchange that everybody lets go of unanswered answers itself with 500,
// so that each request gets exactly one answer.
class Exchange {
 public:
  using Clock = std::chrono::steady_clock;
  using Respondent = std::function<void(HttpResponse)>;

  Exchange(HttpRequest the_request, std::string the_peer, Respondent respondent)
      : request(std::move(the_request)),
        who{.id = {}, .peer = std::move(the_peer), .trace = {}},
        respondent_(std::move(respondent)) {}
  // Where there is no memory for that either, whoever waits sees that the respondent is gone.
  ~Exchange() {
    try {
      if (!answered_)
        Respond({.status = 500, .body = R"({"error":"the request was dropped"})"},
                "the request was dropped");
    } catch (...) {
    }
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // `the_fault`: what was wrong, where it is not the client's. An answer is not lost because its
  // line or its metrics cannot be written.
  void Respond(HttpResponse response, std::string the_fault = {}) {
    if (answered_.exchange(true)) return;
    fault = std::move(the_fault);
    try {
      if (before_respond) before_respond(response);
    } catch (...) {  // Memory that ran out.
    }
    respondent_(std::move(response));
  }

  bool answered() const { return answered_; }

  // When the client goes away before its answer.
  Departure departure;

  HttpRequest request;
  RequestIdentity who;
  bool is_only_one = false;             // No other request had been read and not yet handled.
  std::string client;                   // Whom the work counts for.
  std::optional<Dialect> dialect;       // In place of the route's.
  ExchangeCosts costs;                  // Written by whoever answers, before.
  std::string fault;                    // Of the answer that counts: written by Respond alone.
  FullBound full;                       // Of a refusal; written by whoever answers, before.
  AnswerBudget::SharePtr share;         // Of the answer; null where nothing is computed,
  std::shared_ptr<RequestTally> tally;  // likewise.
  // Runs once, before the answer goes out: log, metrics, headers that all answers have.
  std::function<void(HttpResponse&)> before_respond;

 private:
  const Respondent respondent_;
  std::atomic<bool> answered_{false};
};

using ExchangePtr = std::shared_ptr<Exchange>;

}  // namespace akin::server
