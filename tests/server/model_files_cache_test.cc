#include "server/model_files_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
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

// What `cache` says of `sources`, and on which thread.
struct Answer {
  Found found;
  std::thread::id thread;
};
std::future<Answer> Ask(ModelFilesCache& cache, std::vector<std::string> sources) {
  auto answer = std::make_shared<std::promise<Answer>>();
  auto future = answer->get_future();
  cache.Of(std::move(sources), [answer](Found found) {
    answer->set_value({std::move(found), std::this_thread::get_id()});
  });
  return future;
}

bool IsThere(const std::future<Answer>& answer) {
  return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

TEST(ModelFilesCache, WhoAsksDoesNotWaitForTheDisk) {
  SlowFolder folder;
  ModelFilesCache cache(folder.AsLook());
  std::future<Answer> first = Ask(cache, {"abc", "none"});  // Would not come back.
  std::future<Answer> second = Ask(cache, {"abc"});
  EXPECT_FALSE(IsThere(first) || IsThere(second));
  folder.Open();
  const Answer answer = first.get();
  EXPECT_NE(answer.thread, std::this_thread::get_id());
  ASSERT_EQ(answer.found.size(), 2u);
  ASSERT_TRUE(answer.found[0]);
  EXPECT_EQ(answer.found[0]->bytes, 3);
  EXPECT_FALSE(answer.found[1]);
  EXPECT_EQ(second.get().found[0]->bytes, 3);
  EXPECT_EQ(folder.looks(), 2);
}

TEST(ModelFilesCache, WhatHasJustBeenSeenIsAnsweredHere) {
  SlowFolder folder;
  folder.Open();
  ModelFilesCache cache(folder.AsLook());
  Ask(cache, {"abc"}).get();
  std::future<Answer> again = Ask(cache, {"abc"});
  ASSERT_TRUE(IsThere(again));
  EXPECT_EQ(again.get().thread, std::this_thread::get_id());
  EXPECT_EQ(folder.looks(), 1);
}

TEST(ModelFilesCache, OfWhatIsNotThereThatIsKept) {
  SlowFolder folder;
  folder.Open();
  ModelFilesCache cache(folder.AsLook());
  EXPECT_FALSE(Ask(cache, {"none"}).get().found[0]);
  EXPECT_FALSE(Ask(cache, {"none"}).get().found[0]);
  EXPECT_EQ(folder.looks(), 1);
}

TEST(ModelFilesCache, BeyondSoManyWaitingOnesWhatIsKnownIsTheAnswer) {
  SlowFolder folder;
  ModelFilesCache cache(folder.AsLook());
  std::vector<std::future<Answer>> waiting;
  // One more than may wait is the one whose folder is being looked at.
  while (folder.looks() == 0) {
    if (waiting.empty()) waiting.push_back(Ask(cache, {"abc"}));
    std::this_thread::yield();
  }
  for (size_t i = 0; i < ModelFilesCache::kMostWaiting; ++i) waiting.push_back(Ask(cache, {"abc"}));
  for (const auto& answer : waiting) EXPECT_FALSE(IsThere(answer));
  std::future<Answer> one_more = Ask(cache, {"abc"});
  ASSERT_TRUE(IsThere(one_more));
  EXPECT_FALSE(one_more.get().found[0]);
  folder.Open();
  for (auto& answer : waiting) EXPECT_TRUE(answer.get().found[0]);
  EXPECT_EQ(folder.looks(), 1);
}

TEST(ModelFilesCache, WhenItStopsNobodyIsLeftWaiting) {
  SlowFolder folder;
  std::vector<std::future<Answer>> answers;
  ModelFilesCache cache(folder.AsLook());
  for (int i = 0; i < 3; ++i) answers.push_back(Ask(cache, {"abc"}));
  cache.Stop();
  for (auto& answer : answers) {
    ASSERT_TRUE(IsThere(answer));
    EXPECT_FALSE(answer.get().found[0]);
  }
  EXPECT_TRUE(IsThere(Ask(cache, {"abc"})));
  EXPECT_LE(folder.looks(), 1);
}

TEST(ModelFilesCache, AnAnswerThatThrowsCostsNobodyElse) {
  ModelFilesCache cache([](const std::string& source, const std::stop_token&) {
    if (source == "huge") throw std::bad_alloc();
    return std::optional<ModelFiles>(ModelFiles{.bytes = 1});
  });
  EXPECT_THROW(Ask(cache, {"huge"}).get(), std::future_error);  // A promise that is broken.
  cache.Of({"abc"}, [](const Found&) { throw std::bad_alloc(); });
  EXPECT_EQ(Ask(cache, {"abcd"}).get().found[0]->bytes, 1);
}

}  // namespace
}  // namespace akin::server
