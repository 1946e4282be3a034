// How long clients wait who ask again as soon as they have their answers: the queue and as many
// threads as there are, simulated on a clock of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <queue>
#include <random>
#include <utility>
#include <vector>

#include "batching/request_queue.h"

namespace akin::batching {
namespace {

using std::chrono::microseconds;

constexpr int32_t kTokens = 10;  // Of a query.

// What a batch of queries takes on one thread (all-MiniLM-L6-v2 in int16, about).
microseconds Cost(size_t queries) { return microseconds(600 + 820 * queries); }

struct Waits {
  double mean_ms = 0, p99_ms = 0;
};

// Of `clients` with one query each, on `threads` threads, after the first tenth.
Waits Simulate(int clients, size_t threads) {
  enum class Event { kQuery, kDone };
  struct Next {
    TimePoint time;
    uint64_t order;
    Event event;
    size_t thread;
    std::vector<Pick> batch;
    bool operator>(const Next& other) const {
      return std::pair(time, order) > std::pair(other.time, other.order);
    }
  };
  std::priority_queue<Next, std::vector<Next>, std::greater<>> events;
  uint64_t order = 0;
  std::mt19937 random(7);
  for (int i = 0; i < clients; ++i)
    events.push({TimePoint{} + microseconds(random() % 1000), order++, Event::kQuery, 0, {}});
  RequestQueue queue({.batch_tokens = 512});
  std::vector<TimePoint> asked{TimePoint{}};
  std::vector<size_t> free(threads);
  std::iota(free.begin(), free.end(), size_t{0});
  std::vector<double> waits;
  while (waits.size() < 20'000) {
    const Next now = events.top();
    events.pop();
    if (now.event == Event::kQuery) {
      const RequestId id = asked.size();
      asked.push_back(now.time);
      EXPECT_TRUE(queue.Admit({.id = id, .client = "a", .estimated_tokens = kTokens}));
      queue.SetSequences(id, {{.length = kTokens, .group = 1}});
    } else {
      free.push_back(now.thread);
      // Answers are written one after the other.
      TimePoint answered = now.time;
      for (const Pick& pick : now.batch) {
        queue.Finish(pick.request);
        answered += microseconds(40 + random() % 20);
        waits.push_back(
            std::chrono::duration<double, std::milli>(answered - asked[pick.request]).count());
        events.push({answered + microseconds(30), order++, Event::kQuery, 0, {}});
      }
    }
    while (!free.empty()) {
      Work work = queue.Next(threads);
      if (work.kind != Work::Kind::kCompute) break;
      const auto cost = Cost(work.batch.size()) * (970 + random() % 60) / 1000;
      events.push({now.time + cost, order++, Event::kDone, free.back(), std::move(work.batch)});
      free.pop_back();
    }
  }
  waits.erase(waits.begin(), waits.begin() + std::ssize(waits) / 10);
  const double mean = std::accumulate(waits.begin(), waits.end(), 0.0) / std::ssize(waits);
  std::ranges::nth_element(waits, waits.begin() + std::ssize(waits) * 99 / 100);
  return {mean, waits[waits.size() * 99 / 100]};
}

TEST(ClosedLoop, AllClientsWaitAboutAsLong) {
  struct Case {
    int clients;
    size_t threads;
  };
  for (const auto& [clients, threads] : {Case{8, 2}, Case{64, 2}, Case{64, 8}, Case{200, 8}}) {
    const Waits waits = Simulate(clients, threads);
    EXPECT_LT(waits.p99_ms, 1.4 * waits.mean_ms)
        << clients << " clients, " << threads << " threads, mean " << waits.mean_ms << " ms";
  }
}

}  // namespace
}  // namespace akin::batching
