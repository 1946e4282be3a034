#include "batching/request_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace akin::batching {
namespace {

using std::chrono::seconds;

constexpr uint64_t kGroup = 1;
const TimePoint kStart{};

struct Spec {
  RequestId id = 0;
  std::vector<int32_t> lengths;
  std::string client = "a";
  QueuePriority priority = QueuePriority::kQuery;
  uint64_t group = kGroup;
  std::optional<TimePoint> deadline;
};

size_t Sum(const std::vector<int32_t>& lengths) {
  size_t sum = 0;
  for (const int32_t length : lengths) sum += static_cast<size_t>(length);
  return sum;
}

std::vector<QueuedSequence> Sequences(uint64_t group, const std::vector<int32_t>& lengths) {
  std::vector<QueuedSequence> sequences;
  for (const int32_t length : lengths) sequences.push_back({.length = length, .group = group});
  return sequences;
}

bool Admit(RequestQueue& queue, const Spec& spec) {
  return queue.Admit({.id = spec.id,
                      .priority = spec.priority,
                      .client = spec.client,
                      .deadline = spec.deadline,
                      .estimated_tokens = Sum(spec.lengths)});
}

void AdmitReady(RequestQueue& queue, const Spec& spec) {
  ASSERT_TRUE(Admit(queue, spec));
  queue.SetSequences(spec.id, Sequences(spec.group, spec.lengths));
}

std::vector<Pick> TakeBatch(RequestQueue& queue, size_t threads = 1) {
  Work work = queue.Next(threads);
  EXPECT_NE(work.kind, Work::Kind::kTokenize);
  return work.batch;
}

std::vector<RequestId> RequestsOf(const std::vector<Pick>& batch) {
  std::vector<RequestId> ids;
  for (const Pick& pick : batch) ids.push_back(pick.request);
  return ids;
}

TEST(RequestQueue, AnEmptyQueueHasNothingToDo) {
  RequestQueue queue({});
  EXPECT_EQ(queue.Next(2).kind, Work::Kind::kNothing);
}

TEST(RequestQueue, ARequestIsTokenizedThenComputedAtOnceHoweverSmall) {
  RequestQueue queue({});
  ASSERT_TRUE(Admit(queue, {.id = 7, .lengths = {3, 4}}));
  const Work tokenize = queue.Next(2);
  EXPECT_EQ(tokenize.kind, Work::Kind::kTokenize);
  EXPECT_EQ(tokenize.request, 7u);
  EXPECT_EQ(queue.Next(1).kind, Work::Kind::kNothing) << "one worker tokenizes, no other does";
  queue.SetSequences(7, Sequences(kGroup, {3, 4}));
  EXPECT_EQ(TakeBatch(queue), (std::vector<Pick>{{7, 0}, {7, 1}}));
  EXPECT_FALSE(queue.Finish(7));
  EXPECT_TRUE(queue.Finish(7));
  EXPECT_EQ(queue.num_requests(), 0u);
}

TEST(RequestQueue, KnowsWhetherAnotherWorkerWouldFindSomething) {
  RequestQueue queue({.batch_tokens = 4});
  EXPECT_FALSE(queue.has_work());
  ASSERT_TRUE(Admit(queue, {.id = 1, .lengths = {4, 4}}));
  EXPECT_TRUE(queue.has_work());
  EXPECT_EQ(queue.Next(1).kind, Work::Kind::kTokenize);
  EXPECT_FALSE(queue.has_work()) << "the one request is being tokenized";
  queue.SetSequences(1, Sequences(kGroup, {4, 4}));
  EXPECT_TRUE(queue.has_work());
  EXPECT_EQ(TakeBatch(queue).size(), 1u);
  EXPECT_TRUE(queue.has_work());
  EXPECT_EQ(TakeBatch(queue).size(), 1u);
  EXPECT_FALSE(queue.has_work()) << "all has begun";
  ASSERT_TRUE(Admit(queue, {.id = 2, .lengths = {1}}));
  EXPECT_TRUE(queue.Remove(2));
  EXPECT_FALSE(queue.has_work());
}

TEST(RequestQueue, ABatchJoinsRequestsUpToTheTokenBudget) {
  RequestQueue queue({.batch_tokens = 100});
  for (RequestId id = 1; id <= 4; ++id) AdmitReady(queue, {.id = id, .lengths = {40}});
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{1, 2}));
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{3, 4}));
}

TEST(RequestQueue, ASequenceLongerThanTheBudgetIsABatchOfItsOwn) {
  RequestQueue queue({.batch_tokens = 100});
  AdmitReady(queue, {.id = 1, .lengths = {500}, .client = "a"});
  AdmitReady(queue, {.id = 2, .lengths = {10}, .client = "b"});
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{1}));
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{2}));
}

TEST(RequestQueue, SequencesWithoutTokensAreServedToo) {
  RequestQueue queue({.batch_tokens = 100});
  AdmitReady(queue, {.id = 1, .lengths = {0, 0}});
  EXPECT_EQ(TakeBatch(queue).size(), 2u);
  EXPECT_EQ(queue.Next(1).kind, Work::Kind::kNothing);
}

TEST(RequestQueue, WhatWaitsIsSharedOutAmongTheThreads) {
  RequestQueue queue({.batch_tokens = 1000});
  for (RequestId id = 1; id <= 20; ++id) AdmitReady(queue, {.id = id, .lengths = {10}});
  EXPECT_EQ(TakeBatch(queue, 2).size(), 10u);
  EXPECT_EQ(TakeBatch(queue, 1).size(), 10u);
}

TEST(RequestQueue, ARequestOfTwoGroupsMeetsBoth) {
  RequestQueue queue({.batch_tokens = 1000});
  const auto admit = [&](RequestId id, std::vector<QueuedSequence> sequences) {
    ASSERT_TRUE(Admit(queue, {.id = id, .lengths = {10}}));
    queue.SetSequences(id, std::move(sequences));
  };
  admit(1, {{2, 1}, {2, 1}, {1, 2}});
  admit(2, {{10, 2}});
  admit(3, {{10, 1}});
  EXPECT_EQ(TakeBatch(queue), (std::vector<Pick>{{1, 0}, {1, 1}, {3, 0}}));
  EXPECT_EQ(queue.waiting_tokens(), 11u);
  EXPECT_EQ(TakeBatch(queue), (std::vector<Pick>{{1, 2}, {2, 0}}));
  EXPECT_EQ(queue.Next(1).kind, Work::Kind::kNothing);
  EXPECT_FALSE(queue.Finish(1));
  EXPECT_FALSE(queue.Finish(1));
  EXPECT_TRUE(queue.Finish(1)) << "its last sequence is computed";
}

TEST(RequestQueue, OnlySequencesOfOneGroupMeet) {
  RequestQueue queue({.batch_tokens = 1000});
  AdmitReady(queue, {.id = 1, .lengths = {10}, .group = 1});
  AdmitReady(queue, {.id = 2, .lengths = {10}, .group = 2});
  AdmitReady(queue, {.id = 3, .lengths = {10}, .group = 1});
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{1, 3}));
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{2}));
}

TEST(RequestQueue, QueriesGoBeforeBulk) {
  RequestQueue queue({.batch_tokens = 100});
  AdmitReady(queue, {.id = 1, .lengths = {100}, .priority = QueuePriority::kBulk});
  AdmitReady(queue, {.id = 2, .lengths = {100}});
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{2}));
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{1}));
}

TEST(RequestQueue, BulkGetsOneBatchInEightBesideEndlessQueries) {
  RequestQueue queue({.max_requests = 1000, .max_tokens = 1'000'000, .batch_tokens = 100});
  AdmitReady(
      queue,
      {.id = 1000, .lengths = std::vector<int32_t>(100, 100), .priority = QueuePriority::kBulk});
  for (RequestId id = 1; id <= 80; ++id) AdmitReady(queue, {.id = id, .lengths = {100}});
  int bulk = 0;
  for (int i = 0; i < 80; ++i) bulk += RequestsOf(TakeBatch(queue))[0] == 1000 ? 1 : 0;
  EXPECT_EQ(bulk, 10);
}

TEST(RequestQueue, AClientWithAHugeRequestDelaysOthersByOneBatch) {
  RequestQueue queue({.max_tokens = 1'000'000, .batch_tokens = 1000});
  AdmitReady(queue, {.id = 1, .lengths = std::vector<int32_t>(2000, 100), .client = "huge"});
  for (int i = 0; i < 5; ++i) TakeBatch(queue);  // It has begun.
  AdmitReady(queue, {.id = 2, .lengths = {100}, .client = "small"});
  const auto ids = RequestsOf(TakeBatch(queue));
  EXPECT_EQ(std::ranges::count(ids, RequestId{2}), 1);
}

TEST(RequestQueue, ClientsShareTokensEvenlyWhateverTheirTextsLengths) {
  RequestQueue queue({.max_tokens = 1'000'000, .batch_tokens = 1000});
  AdmitReady(queue, {.id = 1, .lengths = std::vector<int32_t>(500, 200), .client = "long"});
  AdmitReady(queue, {.id = 2, .lengths = std::vector<int32_t>(10000, 10), .client = "short"});
  std::map<RequestId, size_t> tokens;
  for (int i = 0; i < 50; ++i) {
    for (const Pick& pick : TakeBatch(queue)) tokens[pick.request] += pick.request == 1 ? 200 : 10;
  }
  EXPECT_NEAR(static_cast<double>(tokens[1]) / static_cast<double>(tokens[2]), 1.0, 0.05);
}

TEST(RequestQueue, EqualRequestsOfOneClientFinishInTheirOrder) {
  RequestQueue queue({.batch_tokens = 512});
  for (RequestId id = 1; id <= 8; ++id)
    AdmitReady(queue, {.id = id, .lengths = std::vector<int32_t>(32, 16)});
  for (RequestId id = 1; id <= 8; ++id)
    EXPECT_EQ(RequestsOf(TakeBatch(queue)), std::vector<RequestId>(32, id));
}

// Eight callers with one key, each of which sends its next request when it has its answer: nobody
// is overtaken for ever by those that came later.
TEST(RequestQueue, NoRequestOfAClientIsOvertakenMoreThanOnceByItsEquals) {
  RequestQueue queue({.max_tokens = 1'000'000, .batch_tokens = 512});
  const std::vector<int32_t> lengths(32, 14);
  std::map<RequestId, int> finished_before;  // Requests that finished while it was there.
  RequestId next_id = 1;
  const auto send = [&] {
    ASSERT_TRUE(Admit(queue, {.id = next_id, .lengths = lengths}));
    finished_before[next_id++] = 0;
  };
  for (int i = 0; i < 8; ++i) send();
  for (int step = 0; step < 2000; ++step) {
    Work work = queue.Next(1);
    if (work.kind == Work::Kind::kTokenize)
      queue.SetSequences(work.request, Sequences(kGroup, lengths));
    for (const Pick& pick : work.batch) {
      if (!queue.Finish(pick.request)) continue;
      EXPECT_LE(finished_before[pick.request], 8);
      finished_before.erase(pick.request);
      for (auto& [id, count] : finished_before) ++count;
      send();
    }
  }
  EXPECT_GT(next_id, 500u);
}

// One text after the other beside a request of 2,000 of the same client: each of them is served in
// the next batch, and yet the large one gets on as it would by sharing.
TEST(RequestQueue, ALargeRequestGetsItsShareBesideAnEndlessStreamOfSmallOnes) {
  RequestQueue queue({.max_tokens = 1'000'000, .batch_tokens = 100});
  AdmitReady(queue, {.id = 1, .lengths = std::vector<int32_t>(100, 100)});
  RequestId next_id = 2;
  int batches = 0;
  for (bool large_waits = true; large_waits && batches < 1000; ++batches) {
    AdmitReady(queue, {.id = next_id++, .lengths = {100}});
    for (const Pick& pick : TakeBatch(queue))
      if (queue.Finish(pick.request) && pick.request == 1) large_waits = false;
  }
  // Its 100 batches, and as many for the others, within what tags of whole requests round off.
  EXPECT_GE(batches, 150);
  EXPECT_LE(batches, 320);
}

TEST(RequestQueue, AShortRequestDoesNotWaitForALongOneOfItsClient) {
  RequestQueue queue({.max_tokens = 1'000'000, .batch_tokens = 1000});
  AdmitReady(queue, {.id = 1, .lengths = std::vector<int32_t>(1000, 100)});
  TakeBatch(queue);
  AdmitReady(queue, {.id = 2, .lengths = {100}});
  const auto ids = RequestsOf(TakeBatch(queue));
  EXPECT_EQ(std::ranges::count(ids, RequestId{2}), 1);
}

TEST(RequestQueue, TextsOfAFloodingClientAreTokenizedOnlyAsFarAsNeeded) {
  RequestQueue queue({.max_requests = 1000, .max_tokens = 1'000'000, .batch_tokens = 100});
  for (RequestId id = 1; id <= 50; ++id) {
    ASSERT_TRUE(Admit(queue, {.id = id, .lengths = {100}, .client = "flood"}));
  }
  ASSERT_TRUE(Admit(queue, {.id = 99, .lengths = {100}, .client = "other"}));
  std::set<RequestId> tokenized;
  for (Work work = queue.Next(1); work.kind == Work::Kind::kTokenize; work = queue.Next(1)) {
    tokenized.insert(work.request);
    queue.SetSequences(work.request, Sequences(kGroup, {100}));
  }
  EXPECT_EQ(tokenized, (std::set<RequestId>{1, 99}));
}

TEST(RequestQueue, AFullQueueRefusesByRequestsAndByTokens) {
  RequestQueue few({.max_requests = 2, .max_tokens = 1000});
  EXPECT_TRUE(Admit(few, {.id = 1, .lengths = {1}}));
  EXPECT_TRUE(Admit(few, {.id = 2, .lengths = {1}}));
  EXPECT_FALSE(Admit(few, {.id = 3, .lengths = {1}}));
  RequestQueue small({.max_requests = 100, .max_tokens = 100});
  EXPECT_TRUE(Admit(small, {.id = 1, .lengths = {60}}));
  EXPECT_FALSE(Admit(small, {.id = 2, .lengths = {60}}));
  EXPECT_TRUE(Admit(small, {.id = 3, .lengths = {40}}));
}

TEST(RequestQueue, SaysWhatItIsFullOf) {
  const auto of = [](size_t tokens, size_t bytes) {
    return QueuedRequest{.id = 9, .client = "a", .estimated_tokens = tokens, .bytes = bytes};
  };
  RequestQueue queue({.max_requests = 2, .max_tokens = 100, .max_bytes = 1000});
  EXPECT_EQ(queue.FullFor(of(500, 5000)), std::nullopt) << "an empty queue takes any";
  ASSERT_TRUE(queue.Admit({.id = 1, .client = "a", .estimated_tokens = 60, .bytes = 350}));
  EXPECT_EQ(queue.FullFor(of(40, 400)), std::nullopt);
  EXPECT_EQ(queue.FullFor(of(41, 0)), QueueBound::kTokens);
  EXPECT_EQ(queue.FullFor(of(1, 401)), QueueBound::kBytes) << "three quarters of 1000";
  ASSERT_TRUE(queue.Admit({.id = 2, .client = "a", .estimated_tokens = 1, .bytes = 1}));
  EXPECT_EQ(queue.FullFor(of(1, 1)), QueueBound::kRequests);
}

TEST(RequestQueue, BytesCountUntilTheirRequestHasLeft) {
  RequestQueue queue({.max_bytes = 1000});
  const auto admit = [&](RequestId id, size_t bytes) {
    return queue.Admit({.id = id, .client = "a", .estimated_tokens = 1, .bytes = bytes});
  };
  EXPECT_TRUE(admit(1, 5000)) << "an empty queue takes any";
  EXPECT_FALSE(admit(2, 1));
  EXPECT_EQ(queue.held_bytes(), 5000u);
  EXPECT_TRUE(queue.Remove(1));
  EXPECT_EQ(queue.held_bytes(), 0u);
  EXPECT_TRUE(admit(3, 450));
  EXPECT_FALSE(admit(4, 301)) << "one client has three quarters";
  EXPECT_TRUE(admit(5, 300));
  EXPECT_EQ(queue.Next(1).request, 3u);
  queue.SetSequences(3, Sequences(kGroup, {1}));
  EXPECT_EQ(queue.Next(1).request, 5u);
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{3}));
  EXPECT_FALSE(admit(6, 1)) << "what is computed is still there";
  EXPECT_TRUE(queue.Finish(3));
  EXPECT_EQ(queue.held_bytes(), 300u);
  EXPECT_TRUE(admit(7, 450));
}

// Two clients that post as much as they can, one answer after the other: whoever comes for a few
// words meanwhile is taken, and is computed in its turn.
TEST(RequestQueue, ClientsThatFillTheQueueKeepNobodyOut) {
  RequestQueue queue({.max_requests = 16, .max_tokens = 4000, .batch_tokens = 100});
  const std::vector<int32_t> job(20, 50);
  std::map<RequestId, std::vector<int32_t>> lengths;
  std::map<std::string, int> jobs;
  RequestId next_id = 1;
  for (int round = 0; round < 500; ++round) {
    for (const char* client : {"a", "b"}) {
      for (; Admit(queue, {.id = next_id, .lengths = job, .client = client}); ++jobs[client])
        lengths[next_id++] = job;
    }
    const RequestId visitor = next_id++;
    lengths[visitor] = {10};
    ASSERT_TRUE(Admit(queue, {.id = visitor, .lengths = {10}, .client = "visitor"})) << round;
    int batches = 0;
    while (queue.Contains(visitor)) {
      const Work work = queue.Next(1);
      if (work.kind == Work::Kind::kTokenize)
        queue.SetSequences(work.request, Sequences(kGroup, lengths[work.request]));
      for (const Pick& pick : work.batch) queue.Finish(pick.request);
      batches += work.kind == Work::Kind::kCompute ? 1 : 0;
    }
    ASSERT_LE(batches, 3) << "one of each";
  }
  EXPECT_GT(jobs["a"], 20);
  EXPECT_NEAR(jobs["a"], jobs["b"], 5);
}

// Four times what can be computed, by eight clients, some of which ask fifteen times as often as
// others: who asks for less than an eighth gets all of it, the others share what is left evenly.
TEST(RequestQueue, EachClientOfAnOverloadGetsItsPart) {
  constexpr int kBatches = 4000;
  RequestQueue queue({.max_requests = 32, .max_tokens = 1'000'000, .batch_tokens = 100});
  std::mt19937 random(1);
  std::map<RequestId, size_t> client_of;
  std::vector<int> offered(8), taken(8), computed(8);
  for (RequestId id = 1; id <= 4 * kBatches; ++id) {
    const size_t client = std::min(random() % 8, random() % 8);
    ++offered[client];
    client_of[id] = client;
    if (Admit(queue, {.id = id, .lengths = {100}, .client = std::to_string(client)})) {
      ++taken[client];
      queue.SetSequences(id, Sequences(kGroup, {100}));
    }
    if (id % 4 != 0) continue;
    for (const Pick& pick : TakeBatch(queue)) {
      ++computed[client_of[pick.request]];
      queue.Finish(pick.request);
    }
    ASSERT_LE(queue.num_requests(), 64u);
  }
  int sum = 0;
  for (size_t client = 0; client < 8; ++client) {
    sum += computed[client];
    EXPECT_GE(computed[client], std::min(offered[client] - 8, kBatches / 8)) << client;
  }
  EXPECT_EQ(sum, kBatches) << "none was made up of nothing";
  EXPECT_LT(offered[7], kBatches / 8);
  EXPECT_EQ(taken[7], offered[7]) << "who asks for little is never refused";
  EXPECT_NEAR(computed[0], computed[1], 40);
  EXPECT_GT(offered[0] - taken[0], 2000) << "no overload";
}

TEST(RequestQueue, AnEmptyQueueTakesARequestThatIsLargerThanTheLimit) {
  RequestQueue queue({.max_tokens = 100});
  EXPECT_TRUE(Admit(queue, {.id = 1, .lengths = {5000}}));
  EXPECT_FALSE(Admit(queue, {.id = 2, .lengths = {1}}));
}

TEST(RequestQueue, WhatHasExpiredIsNotBegun) {
  RequestQueue queue({});
  const auto end = kStart + seconds(1);
  ASSERT_TRUE(Admit(queue, {.id = 1, .lengths = {5}, .deadline = end}));
  AdmitReady(queue, {.id = 2, .lengths = {5}, .client = "b", .deadline = end});
  EXPECT_EQ(queue.Next(1, end).kind, Work::Kind::kNothing);
  EXPECT_EQ(queue.Next(1, end - seconds(1)).request, 1u);
  EXPECT_EQ(queue.Next(1, end).kind, Work::Kind::kNothing);
  EXPECT_EQ(queue.Next(1, end - seconds(1)).batch, (std::vector<Pick>{{2, 0}}));
}

TEST(RequestQueue, ExpiredRequestsLeaveBeforeTheyBegin) {
  RequestQueue queue({.batch_tokens = 100});
  AdmitReady(queue, {.id = 1, .lengths = {50}, .deadline = kStart + seconds(1)});
  AdmitReady(queue, {.id = 2, .lengths = {50}, .deadline = kStart + seconds(3)});
  EXPECT_FALSE(queue.HasExpired(kStart));
  EXPECT_TRUE(queue.TakeExpired(kStart).empty());
  EXPECT_TRUE(queue.HasExpired(kStart + seconds(1)));
  EXPECT_EQ(queue.TakeExpired(kStart + seconds(1)), (std::vector<RequestId>{1}));
  EXPECT_EQ(RequestsOf(TakeBatch(queue)), (std::vector<RequestId>{2}));
  EXPECT_FALSE(queue.HasExpired(kStart + seconds(9)));
  EXPECT_TRUE(queue.TakeExpired(kStart + seconds(9)).empty()) << "its last sequence has begun";
}

TEST(RequestQueue, RemovedRequestsAreNeverComputed) {
  RequestQueue queue({.batch_tokens = 100});
  ASSERT_TRUE(Admit(queue, {.id = 1, .lengths = {10}}));
  ASSERT_EQ(queue.Next(1).kind, Work::Kind::kTokenize);
  EXPECT_TRUE(queue.Remove(1));
  queue.SetSequences(1, Sequences(kGroup, {10}));  // The worker that tokenized it comes late.
  EXPECT_EQ(queue.Next(1).kind, Work::Kind::kNothing);
  EXPECT_FALSE(queue.Remove(1));
  EXPECT_EQ(queue.waiting_tokens(), 0u);
}

// Random requests, cancellations and deadlines: each sequence is computed once or its request was
// dropped, and the books balance.
TEST(RequestQueue, EverySequenceIsTakenOnceOrItsRequestWasDropped) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    RequestQueue queue({.max_requests = 40, .max_tokens = 4000, .batch_tokens = 200});
    std::map<RequestId, std::vector<int>> taken;  // How often each sequence was.
    std::map<RequestId, std::vector<int32_t>> lengths;
    std::set<RequestId> dropped, finished;
    RequestId next_id = 1;
    for (int step = 0; step < 3000; ++step) {
      const TimePoint now = kStart + std::chrono::milliseconds(step);
      if (random() % 3 == 0 && step < 2000) {
        Spec spec{.id = next_id++,
                  .lengths = std::vector<int32_t>(1 + random() % 8),
                  .client = std::string(1, static_cast<char>('a' + random() % 4)),
                  .priority = random() % 2 ? QueuePriority::kQuery : QueuePriority::kBulk,
                  .deadline = now + std::chrono::milliseconds(random() % 400)};
        for (int32_t& length : spec.lengths) length = static_cast<int32_t>(random() % 300);
        if (Admit(queue, spec)) {
          taken[spec.id].resize(spec.lengths.size());
          lengths[spec.id] = spec.lengths;
        }
      }
      if (random() % 20 == 0 && next_id > 1) {
        const RequestId victim = 1 + random() % (next_id - 1);
        if (queue.Remove(victim)) dropped.insert(victim);
      }
      for (const RequestId id : queue.TakeExpired(now)) dropped.insert(id);
      const Work work = queue.Next(1 + random() % 3);
      if (work.kind == Work::Kind::kTokenize) {
        queue.SetSequences(work.request, Sequences(1 + work.request % 2, lengths[work.request]));
      }
      size_t tokens = 0;
      for (const Pick& pick : work.batch) {
        ASSERT_FALSE(dropped.contains(pick.request));
        ASSERT_EQ(++taken[pick.request][pick.sequence], 1);
        ASSERT_EQ(pick.request % 2, work.batch[0].request % 2) << "one group";
        tokens += static_cast<size_t>(lengths[pick.request][pick.sequence]);
        if (queue.Finish(pick.request)) finished.insert(pick.request);
      }
      ASSERT_TRUE(tokens <= 200 || work.batch.size() == 1) << tokens;
    }
    EXPECT_EQ(queue.num_requests(), 0u);
    EXPECT_EQ(queue.waiting_tokens(), 0u);
    EXPECT_EQ(finished.size() + dropped.size(), taken.size());
    for (const RequestId id : finished) {
      EXPECT_EQ(std::ranges::count(taken[id], 1), std::ssize(taken[id]));
    }
  }
}

}  // namespace
}  // namespace akin::batching
