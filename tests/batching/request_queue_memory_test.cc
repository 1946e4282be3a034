// Memory that runs out, at every allocation of a queue's life in turn: what throws has changed
// nothing, so that the same call made again goes on as if it had never failed.
#include <gtest/gtest.h>

#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "batching/request_queue.h"
#include "support/allocations.h"

namespace akin::batching {
namespace {

constexpr size_t kRequests = 12;
constexpr size_t kMost = 10'000;

// What `call` gives; called again if it found no memory.
template <typename Call>
auto Twice(const RequestQueue& queue, size_t& failures, Call call) {
  const size_t requests = queue.num_requests(), tokens = queue.waiting_tokens();
  const size_t bytes = queue.held_bytes();
  const bool has_work = queue.has_work();
  try {
    return call();
  } catch (const std::bad_alloc&) {
    ++failures;
  }
  EXPECT_EQ(queue.num_requests(), requests);
  EXPECT_EQ(queue.waiting_tokens(), tokens);
  EXPECT_EQ(queue.held_bytes(), bytes);
  EXPECT_EQ(queue.has_work(), has_work);
  return call();
}

struct Life {
  std::vector<RequestId> tokenized, finished, expired;
  std::vector<Pick> computed;
  size_t failures = 0, allocations = 0;
  bool failed = false;
};

// Requests of several clients from their admission to their end, with memory that runs out at the
// given allocation.
Life LiveThrough(size_t failing) {
  Life life;
  life.tokenized.reserve(kRequests), life.finished.reserve(kRequests);
  life.expired.reserve(kRequests), life.computed.reserve(10 * kRequests);
  RequestQueue queue({.batch_tokens = 600});
  const WatchedAllocations watched({.at = failing});
  for (RequestId id = 1; id <= kRequests; ++id) {
    const bool is_late = id == 5;
    const bool admitted = Twice(queue, life.failures, [&] {
      return queue.Admit(
          {.id = id,
           .priority = id % 4 == 0 ? QueuePriority::kBulk : QueuePriority::kQuery,
           .client = "a client whose name takes memory of its own, " + std::to_string(id % 3),
           .deadline = is_late ? std::optional(TimePoint{}) : std::nullopt,
           .estimated_tokens = 100 * id,
           .bytes = 1000 * id});
    });
    EXPECT_TRUE(admitted);
  }
  EXPECT_EQ(queue.held_bytes(), 1000 * kRequests * (kRequests + 1) / 2);
  for (const RequestId id : Twice(queue, life.failures, [&] { return queue.TakeExpired({}); }))
    life.expired.push_back(id);
  while (queue.has_work()) {
    const Work work = Twice(queue, life.failures, [&] { return queue.Next(1); });
    if (work.kind == Work::Kind::kNothing) break;
    if (work.kind == Work::Kind::kTokenize) {
      life.tokenized.push_back(work.request);
      auto sequences = Twice(queue, life.failures, [&] {
        return std::vector<QueuedSequence>(1 + work.request % 5,
                                           {.length = static_cast<int32_t>(40 * work.request)});
      });
      queue.SetSequences(work.request, std::move(sequences));
    }
    for (const Pick& pick : work.batch) {
      life.computed.push_back(pick);
      if (queue.Finish(pick.request)) life.finished.push_back(pick.request);
    }
  }
  EXPECT_EQ(queue.num_requests(), 0u);
  EXPECT_EQ(queue.waiting_tokens(), 0u);
  EXPECT_EQ(queue.held_bytes(), 0u);
  life.allocations = watched.count();
  life.failed = watched.failed();
  return life;
}

TEST(RequestQueueMemory, WhatFailsHasChangedNothing) {
  const Life expected = LiveThrough(0);
  EXPECT_EQ(expected.finished.size(), kRequests - 1);
  EXPECT_EQ(expected.expired, std::vector<RequestId>{5});
  size_t n = 1;
  size_t smaller_batches = 0;
  for (; n < kMost; ++n) {
    const Life life = LiveThrough(n);
    if (!life.failed) break;
    // A batch that found no memory to grow is smaller: what was in it comes first all the same.
    smaller_batches += life.failures == 0 ? 1 : 0;
    EXPECT_LE(life.failures, 1u) << n;
    EXPECT_EQ(life.expired, expected.expired) << n;
    EXPECT_EQ(life.finished.size(), expected.finished.size()) << n;
    EXPECT_EQ(life.computed.size(), expected.computed.size()) << n;
    if (life.failures == 0) continue;
    EXPECT_EQ(life.tokenized, expected.tokenized) << n;
    EXPECT_EQ(life.computed, expected.computed) << n;
  }
  EXPECT_GT(n, 40u);
  EXPECT_LT(n, kMost);
  EXPECT_GT(smaller_batches, 0u);
}

}  // namespace
}  // namespace akin::batching
