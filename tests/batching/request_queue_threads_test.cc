// The queue as the scheduler has it, behind one mutex, with many threads at it: 64 producers whose
// requests are cancelled and expire at random, four workers, a clock that is set forward and back.
// Each request has exactly one end. AKIN_TEST_QUEUE_ITEMS: how many requests.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "batching/request_queue.h"

namespace akin::batching {
namespace {

constexpr size_t kProducers = 64, kWorkers = 4, kMostSequences = 3;
constexpr size_t kBatchTokens = 256;

enum class End : uint8_t { kNone, kComputed, kCancelled, kExpired };

// What has become of a request, whose id is its place. Guarded by the mutex of the queue.
struct Item {
  End end = End::kNone;
  bool is_admitted = false;
  uint8_t sequences = 0;
  std::array<uint8_t, kMostSequences> taken{};
};

class Traffic {
 public:
  explicit Traffic(size_t items_each) : items_each_(items_each), items_(kProducers * items_each) {}

  void Run() {
    std::vector<std::thread> producers, workers;
    for (size_t i = 0; i < kProducers; ++i) producers.emplace_back([this, i] { Produce(i); });
    for (size_t i = 0; i < kWorkers; ++i) workers.emplace_back([this, i] { Work(i); });
    for (std::thread& thread : producers) thread.join();
    producers_done_ = true;
    for (std::thread& thread : workers) thread.join();
  }

  void Check() {
    std::array<size_t, 4> ends{};
    for (const Item& item : items_) {
      ASSERT_TRUE(item.is_admitted);
      ++ends[static_cast<size_t>(item.end)];
      if (item.end != End::kComputed) continue;
      for (size_t i = 0; i < item.sequences; ++i) ASSERT_EQ(item.taken[i], 1);
    }
    EXPECT_EQ(ends[static_cast<size_t>(End::kNone)], 0u) << "requests without an end";
    EXPECT_EQ(wrong_, 0u) << "requests that ended twice, or were computed after their end";
    for (const End end : {End::kComputed, End::kCancelled, End::kExpired})
      EXPECT_GT(ends[static_cast<size_t>(end)], items_.size() / 100) << static_cast<int>(end);
    EXPECT_GT(refused_, 0u) << "the queue was never full";
    EXPECT_EQ(queue_.num_requests(), 0u);
    EXPECT_EQ(queue_.waiting_tokens(), 0u);
    EXPECT_EQ(queue_.held_bytes(), 0u);
    EXPECT_FALSE(queue_.has_work());
    std::printf("%zu requests: %zu computed, %zu cancelled, %zu expired; %zu refusals\n",
                items_.size(), ends[1], ends[2], ends[3], refused_);
  }

 private:
  using Lock = std::lock_guard<std::mutex>;

  void Produce(size_t producer) {
    std::mt19937 random(static_cast<unsigned>(producer));
    for (size_t i = 0; i < items_each_; ++i) {
      const RequestId id = producer * items_each_ + i;
      QueuedRequest request{
          .id = id,
          .priority = random() % 2 ? QueuePriority::kQuery : QueuePriority::kBulk,
          .client = std::to_string(random() % 16),
          .estimated_tokens = random() % 64,
          .bytes = random() % 1000,
      };
      const bool has_deadline = random() % 4 == 0;
      const auto patience = std::chrono::milliseconds(random() % 2000);
      while (!Admit(request, has_deadline, patience)) std::this_thread::yield();
      if (random() % 8 == 0) Cancel(id - random() % std::min<size_t>(i + 1, 4));
    }
  }

  bool Admit(QueuedRequest request, bool has_deadline, std::chrono::milliseconds patience) {
    const Lock lock(mutex_);
    if (has_deadline) request.deadline = now_ + patience;
    Item& item = items_[request.id];
    if (!queue_.Admit(std::move(request))) {
      ++refused_;
      return false;
    }
    item.is_admitted = true;
    return true;
  }

  void Cancel(RequestId id) {
    const Lock lock(mutex_);
    if (queue_.Remove(id)) SetEnd(id, End::kCancelled);
  }

  // As the scheduler's workers do it: the mutex is not held while they tokenize and compute.
  void Work(size_t worker) {
    std::mt19937 random(static_cast<unsigned>(1000 + worker));
    batching::Work work;
    std::vector<QueuedSequence> sequences;
    while (true) {
      {
        const Lock lock(mutex_);
        SetClock(random);
        if (queue_.HasExpired(now_)) {
          for (const RequestId id : queue_.TakeExpired(now_)) SetEnd(id, End::kExpired);
        }
        if (producers_done_ && queue_.num_requests() == 0) return;
        work = queue_.Next(1 + random() % kWorkers);
        for (const Pick& pick : work.batch) Take(pick);
      }
      if (work.kind == Work::Kind::kNothing) {
        std::this_thread::yield();
      } else if (work.kind == Work::Kind::kTokenize) {
        sequences.assign(1 + random() % kMostSequences, {});
        for (QueuedSequence& sequence : sequences)
          sequence = {.length = static_cast<int32_t>(random() % 300), .group = work.request % 2};
        const Lock lock(mutex_);
        items_[work.request].sequences = static_cast<uint8_t>(sequences.size());
        queue_.SetSequences(work.request, sequences);
      } else {
        const Lock lock(mutex_);
        for (const Pick& pick : work.batch) {
          if (queue_.Finish(pick.request)) SetEnd(pick.request, End::kComputed);
        }
      }
    }
  }

  // It goes on, and now and then somebody sets it, by up to ten minutes forward or back.
  void SetClock(std::mt19937& random) {
    now_ += std::chrono::microseconds(100);
    if (random() % 500 != 0) return;
    const auto seconds = std::chrono::seconds(random() % 600);
    now_ += random() % 2 ? seconds : -seconds;
  }

  void Take(const Pick& pick) {
    Item& item = items_[pick.request];
    if (item.end != End::kNone || ++item.taken[pick.sequence] != 1) ++wrong_;
  }

  void SetEnd(RequestId id, End end) {
    if (items_[id].end != End::kNone) ++wrong_;
    items_[id].end = end;
  }

  const size_t items_each_;
  std::mutex mutex_;
  RequestQueue queue_{{.max_requests = 256,
                       .max_tokens = 8192,
                       .max_bytes = 100'000,
                       .batch_tokens = kBatchTokens}};
  std::vector<Item> items_;
  TimePoint now_{std::chrono::hours(1)};
  size_t wrong_ = 0, refused_ = 0;
  std::atomic<bool> producers_done_ = false;
};

TEST(RequestQueueThreads, EachRequestOfManyProducersHasOneEndWhateverTheClockDoes) {
  const char* items = std::getenv("AKIN_TEST_QUEUE_ITEMS");
  const size_t count = items == nullptr ? 50'000 : std::strtoull(items, nullptr, 10);
  const auto traffic = std::make_unique<Traffic>(std::max<size_t>(count, kProducers) / kProducers);
  traffic->Run();
  traffic->Check();
}

}  // namespace
}  // namespace akin::batching
