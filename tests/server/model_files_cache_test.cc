#include "server/model_files_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace akin::server {
namespace {

using Found = ModelFilesCache::Found;

// A file system that answers when it is told to.
class SlowFolder {
 public:
  std::optional<ModelFiles> LookAt(const std::string& source, const std::stop_token& stop) {
    ++looks_;
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return is_open_ || stop.stop_requested(); });
    if (source == "none") return std::nullopt;
    return ModelFiles{.bytes = static_cast<int64_t>(source.size())};
  }
  ModelFilesCache::Look AsLook() {
    return [this](const std::string& source, std::stop_token stop) {
      std::stop_callback on_stop(stop, [this] {
        const std::lock_guard lock(mutex_);
        wake_.notify_all();
      });
      return LookAt(source, stop);
    };
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    wake_.notify_all();
  }
  int looks() const { return looks_; }

 private:
  std::atomic<int> looks_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_open_ = false;
};

using Clock = ModelFilesCache::Clock;

// What `cache` says of `sources`, and on which thread.
struct Answer {
  Result<Found> found;
  std::thread::id thread;
};
struct Asked {
  Answer get() { return answer.get(); }
  std::future<Answer> answer;
  std::optional<ModelFilesCache::Ticket> ticket;
};
Asked Ask(ModelFilesCache& cache, std::vector<std::string> sources,
          Clock::time_point deadline = Clock::time_point::max()) {
  auto promise = std::make_shared<std::promise<Answer>>();
  Asked asked{.answer = promise->get_future(), .ticket = {}};
  asked.ticket = cache.Of(std::move(sources), deadline, [promise](Result<Found> found) {
    promise->set_value({std::move(found), std::this_thread::get_id()});
  });
  return asked;
}

bool IsThere(const Asked& asked) {
  return asked.answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

TEST(ModelFilesCache, WhoAsksDoesNotWaitForTheDisk) {
  SlowFolder folder;
  ModelFilesCache cache(folder.AsLook());
  Asked first = Ask(cache, {"abc", "none"});  // Would not come back.
  Asked second = Ask(cache, {"abc"});
  EXPECT_FALSE(IsThere(first) || IsThere(second));
  folder.Open();
  const Answer answer = first.get();
  EXPECT_NE(answer.thread, std::this_thread::get_id());
  ASSERT_EQ(answer.found->size(), 2u);
  ASSERT_TRUE(answer.found->at(0));
  EXPECT_EQ(answer.found->at(0)->bytes, 3);
  EXPECT_FALSE(answer.found->at(1));
  EXPECT_EQ(second.get().found->at(0)->bytes, 3);
  EXPECT_EQ(folder.looks(), 2);
}

TEST(ModelFilesCache, WhatHasJustBeenSeenIsAnsweredHere) {
  SlowFolder folder;
  folder.Open();
  ModelFilesCache cache(folder.AsLook());
  Ask(cache, {"abc"}).get();
  Asked again = Ask(cache, {"abc"});
  ASSERT_TRUE(IsThere(again));
  EXPECT_EQ(again.get().thread, std::this_thread::get_id());
  EXPECT_EQ(folder.looks(), 1);
}

TEST(ModelFilesCache, OfWhatIsNotThereThatIsKept) {
  SlowFolder folder;
  folder.Open();
  ModelFilesCache cache(folder.AsLook());
  EXPECT_FALSE(Ask(cache, {"none"}).get().found->at(0));
  EXPECT_FALSE(Ask(cache, {"none"}).get().found->at(0));
  EXPECT_EQ(folder.looks(), 1);
}

TEST(ModelFilesCache, BeyondSoManyWaitingOnesWhatIsKnownIsTheAnswer) {
  SlowFolder folder;
  ModelFilesCache cache(folder.AsLook());
  std::vector<Asked> waiting;
  // One more than may wait is the one whose folder is being looked at.
  while (folder.looks() == 0) {
    if (waiting.empty()) waiting.push_back(Ask(cache, {"abc"}));
    std::this_thread::yield();
  }
  for (size_t i = 0; i < ModelFilesCache::kMostWaiting; ++i) waiting.push_back(Ask(cache, {"abc"}));
  for (const auto& answer : waiting) EXPECT_FALSE(IsThere(answer));
  Asked one_more = Ask(cache, {"abc"});
  ASSERT_TRUE(IsThere(one_more));
  EXPECT_FALSE(one_more.get().found->at(0));
  folder.Open();
  for (auto& answer : waiting) EXPECT_TRUE(answer.get().found->at(0));
  EXPECT_EQ(folder.looks(), 1);
}

TEST(ModelFilesCache, AfterAWhileAFolderIsLookedAtAgain) {
  SlowFolder folder;
  folder.Open();
  std::atomic<int64_t> ms = 1'000'000;
  ModelFilesCache cache(folder.AsLook(),
                        [&] { return Clock::time_point(std::chrono::milliseconds(ms)); });
  const int64_t again = std::chrono::milliseconds(ModelFilesCache::kLookAgain).count();
  Ask(cache, {"abc"}).get();
  ms += again - 1;
  EXPECT_TRUE(IsThere(Ask(cache, {"abc"})));
  EXPECT_EQ(folder.looks(), 1);
  ms += 1;
  EXPECT_EQ(Ask(cache, {"abc"}).get().found->at(0)->bytes, 3);
  EXPECT_EQ(folder.looks(), 2);
  EXPECT_TRUE(IsThere(Ask(cache, {"abc"})));
  EXPECT_EQ(folder.looks(), 2);
}

TEST(ModelFilesCache, WhoseDeadlinePassesWaitsNoLonger) {
  SlowFolder folder;
  std::atomic<int64_t> ms = 1'000;
  const auto at = [](int64_t when) { return Clock::time_point(std::chrono::milliseconds(when)); };
  ModelFilesCache cache(folder.AsLook(), [&] { return at(ms); });
  Asked first = Ask(cache, {"abc"}, at(1'500));  // Its folder hangs.
  Asked second = Ask(cache, {"abc"}, at(1'600));
  ms = 1'499;
  cache.EndExpired();
  EXPECT_FALSE(IsThere(first));
  ms = 1'500;
  cache.EndExpired();
  ASSERT_TRUE(IsThere(first));
  EXPECT_EQ(first.get().found.error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_FALSE(IsThere(second));
  folder.Open();
  EXPECT_EQ(second.get().found->at(0)->bytes, 3);
}

TEST(ModelFilesCache, WhoLeavesWaitsNoLonger) {
  SlowFolder folder;
  ModelFilesCache cache(folder.AsLook());
  Asked first = Ask(cache, {"abc"});
  Asked second = Ask(cache, {"abc"});
  ASSERT_TRUE(first.ticket);
  cache.Cancel(*first.ticket);
  ASSERT_TRUE(IsThere(first));
  EXPECT_EQ(first.get().found.error().code(), ErrorCode::kCancelled);
  cache.Cancel(*first.ticket);  // Nothing.
  folder.Open();
  EXPECT_EQ(second.get().found->at(0)->bytes, 3);
}

TEST(ModelFilesCache, WhenItStopsNobodyIsLeftWaiting) {
  SlowFolder folder;
  std::vector<Asked> answers;
  ModelFilesCache cache(folder.AsLook());
  for (int i = 0; i < 3; ++i) answers.push_back(Ask(cache, {"abc"}));
  EXPECT_TRUE(cache.StopUntil(Clock::now() + std::chrono::minutes(1)));
  answers.push_back(Ask(cache, {"abc"}));
  for (auto& answer : answers) {
    ASSERT_TRUE(IsThere(answer));
    EXPECT_EQ(answer.get().found.error().code(), ErrorCode::kServiceUnavailable);
  }
  EXPECT_LE(folder.looks(), 1);
}

TEST(ModelFilesCache, AFolderThatHangsIsLeft) {
  // Outlive the cache, as its thread does: it hears nothing while it is in the file system.
  const auto folder = std::make_shared<SlowFolder>();
  auto left = std::make_shared<std::promise<void>>();
  std::future<void> has_left = left->get_future();
  {
    ModelFilesCache cache([folder, left](const std::string& source, const std::stop_token&) {
      auto files = folder->LookAt(source, {});
      left->set_value();
      return files;
    });
    Asked asked = Ask(cache, {"abc"});
    while (folder->looks() == 0) std::this_thread::yield();
    EXPECT_FALSE(cache.StopUntil(Clock::now() + std::chrono::milliseconds(10)));
    ASSERT_TRUE(IsThere(asked));
    EXPECT_EQ(asked.get().found.error().code(), ErrorCode::kServiceUnavailable);
  }
  folder->Open();
  has_left.get();
}

TEST(ModelFilesCache, AnAnswerThatThrowsCostsNobodyElse) {
  ModelFilesCache cache([](const std::string& source, const std::stop_token&) {
    if (source == "huge") throw std::bad_alloc();
    return std::optional<ModelFiles>(ModelFiles{.bytes = 1});
  });
  EXPECT_THROW(Ask(cache, {"huge"}).get(), std::future_error);  // A promise that is broken.
  cache.Of({"abc"}, Clock::time_point::max(), [](const Result<Found>&) { throw std::bad_alloc(); });
  EXPECT_EQ(Ask(cache, {"abcd"}).get().found->at(0)->bytes, 1);
}

}  // namespace
}  // namespace akin::server
