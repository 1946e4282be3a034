// Memory that runs out at every allocation of a request's way in turn, whichever thread makes it:
// the program goes on, the request ends once (an answer, an error, or its callback is let go of),
// and the next one is answered.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <utility>

#include "scheduler_requests.h"
#include "support/allocations.h"

namespace akin {
namespace {

constexpr size_t kMost = 20'000;

// How often memory ran out, and what came of it.
struct Sweep {
  size_t failures = 0, answered = 0, refused = 0, dropped = 0;
};

template <typename Answer, typename Make>
Sweep SweepOver(Make make) {
  Sweep sweep;
  const auto scheduler = Started({.num_threads = 1});
  const auto ask = [&](size_t failing, bool& failed) {
    auto promise = std::make_shared<std::promise<bool>>();
    auto ended = promise->get_future();
    auto request = make();
    typename Scheduler::Done<Answer> done = [promise](const Result<Answer>& answer) {
      promise->set_value(answer.has_value());
    };
    promise.reset();
    {
      const WatchedAllocations watched({.at = failing});
      const auto ticket = scheduler->Submit(std::move(request), std::move(done));
      if (!ticket) {
        failed = watched.failed();
        ++sweep.refused;
        return;
      }
      EXPECT_EQ(ended.wait_for(std::chrono::seconds(20)), std::future_status::ready) << failing;
      failed = watched.failed();
    }
    try {
      ended.get() ? ++sweep.answered : ++sweep.refused;
    } catch (const std::future_error&) {
      ++sweep.dropped;
    }
  };
  bool failed = true;
  for (size_t n = 1; failed && n < kMost && !testing::Test::HasFailure(); ++n) {
    ask(n, failed);
    if (!failed) return sweep;
    ++sweep.failures;
    const Sweep before = sweep;
    bool unused = false;
    ask(0, unused);
    EXPECT_EQ(sweep.answered, before.answered + 1) << n;
  }
  return sweep;
}

TEST(SchedulerMemory, ARequestEndsOnceWhereverMemoryRunsOut) {
  const Sweep sweep = SweepOver<AllEmbeddings>(
      [] { return EmbedRequest{.embedder = Model(), .texts = {TextOf(3), TextOf(5)}}; });
  EXPECT_GT(sweep.failures, 20u);
  EXPECT_GT(sweep.refused, 10u);
}

TEST(SchedulerMemory, SoDoesWork) {
  std::atomic<size_t> done = 0;
  const Sweep sweep = SweepOver<void>([&] {
    return WorkRequest{.work =
                           [&] {
                             const auto some = std::make_unique<std::atomic<int>>(1);
                             done += static_cast<size_t>(some->load());
                           },
                       .estimated_tokens = 1};
  });
  EXPECT_GT(sweep.failures, 5u);
  EXPECT_GT(sweep.refused, 3u);
  EXPECT_GT(sweep.answered, 5u);
  EXPECT_LE(sweep.answered, done) << "work that failed is told success";
}

TEST(SchedulerMemory, WorkThatThrowsHasFailed) {
  const auto scheduler = Started({.num_threads = 1});
  std::promise<Status> told;
  ASSERT_TRUE(scheduler->Submit(WorkRequest{.work = [] { throw std::bad_alloc(); }},
                                [&](const Status& status) { told.set_value(status); }));
  const Status status = told.get_future().get();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "out of memory");
  EXPECT_EQ(scheduler->Counts().failed, 1);
  EXPECT_EQ(scheduler->Counts().completed, 0);
}

}  // namespace
}  // namespace akin
