// Requests that end before they are computed: cancelled, expired, refused, stopped.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include "engine/scheduler_requests.h"

namespace akin {
namespace {

using namespace std::chrono_literals;

TEST(Scheduler, CancelledWorkIsDroppedBeforeItIsComputed) {
  const auto scheduler = Started({.num_threads = 1});
  Blockade blockade(*scheduler);
  Asked asked = Ask(*scheduler, {.embedder = Model(), .texts = {"nobody wants this"}});
  scheduler->Cancel(asked.ticket.value());
  EXPECT_EQ(asked.answer.get().error().code(), ErrorCode::kCancelled);
  scheduler->Cancel(asked.ticket.value());  // Once more, harmless.
  blockade.Lift();
  Ask(*scheduler, {.embedder = Model(), .texts = {"but this"}}).answer.get().value();
  EXPECT_EQ(scheduler->Counts().batch_sequences, 1);
}

TEST(Scheduler, ExpiredRequestsAreDroppedBeforeTheyAreComputed) {
  const auto scheduler = Started({.num_threads = 1});
  Blockade blockade(*scheduler);
  Asked asked = Ask(*scheduler, {.embedder = Model(),
                                 .texts = {"too late"},
                                 .terms = {.deadline = std::chrono::steady_clock::now() + 1ms}});
  std::this_thread::sleep_for(5ms);
  blockade.Lift();
  EXPECT_EQ(asked.answer.get().error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(scheduler->Counts().expired, 1);
  EXPECT_EQ(scheduler->Counts().batch_sequences, 0);
}

// A worker that tells of an expired request holds no lock meanwhile, and must not go to sleep over
// it.
TEST(Scheduler, ARequestIsAskedWithItsTokensWhenItBeginsAndMayEndThere) {
  const auto scheduler = Started({.num_threads = 1});
  Blockade blockade(*scheduler);
  std::atomic<int64_t> tokens{0};
  const auto begin = [&](int64_t count) -> Status {
    tokens = count;
    return Error(ErrorCode::kOverloaded, "no room");
  };
  Asked refused =
      Ask(*scheduler, {.embedder = Model(), .texts = {"a text", "a"}, .terms = {.begin = begin}});
  EXPECT_EQ(tokens, 0) << "asked while it waited";
  blockade.Lift();
  EXPECT_EQ(refused.answer.get().error().message(), "no room");
  const Embeddings embeddings = Model().Embed({"a text", "a"}).value();
  EXPECT_EQ(tokens, embeddings.num_tokens(0) + embeddings.num_tokens(1));
  EXPECT_EQ(scheduler->Counts().batch_sequences, 0);
  Told here;  // The same where it is submitted.
  ASSERT_TRUE(scheduler->Submit(
      EmbedRequest{.embedder = Model(),
                   .texts = {"a"},
                   .terms = {.begin = [](int64_t) { return Status(); }, .may_compute_here = true}},
      TellInto(here)));
  ASSERT_TRUE(here.answer.has_value());
  EXPECT_TRUE(*here.answer);
}

TEST(Scheduler, StoppingWhileARequestExpiresEnds) {
  for (int round = 0; round < 200; ++round) {
    auto scheduler = Started({.num_threads = 1});
    std::promise<void> told;
    {
      Blockade blockade(*scheduler);
      ASSERT_TRUE(
          scheduler->Submit(EmbedRequest{.embedder = Model(),
                                         .texts = {"too late"},
                                         .terms = {.deadline = std::chrono::steady_clock::now()}},
                            [&](const Result<AllEmbeddings>&) {
                              told.set_value();
                              std::this_thread::sleep_for(100us);
                            }));
    }
    told.get_future().wait();
    scheduler.reset();
  }
}

// A client that has been told so and asks again at once, while the worker has no lock.
TEST(Scheduler, WhatHasExpiredBeforeItCameIsNeverBegun) {
  const auto scheduler = Started({.num_threads = 1});
  std::atomic<int> ran{0};
  std::promise<void> all;
  std::function<void(int)> ask = [&](int left) {
    if (left == 0) return all.set_value();
    const RequestTerms terms{.deadline = std::chrono::steady_clock::now()};
    EXPECT_TRUE(scheduler->Submit(WorkRequest{.work = [&] { ++ran; }, .terms = terms},
                                  [&, left](const Status& status) {
                                    EXPECT_FALSE(status);
                                    ask(left - 1);
                                  }));
  };
  ask(50);
  ASSERT_EQ(all.get_future().wait_for(60s), std::future_status::ready);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(scheduler->Counts().expired, 50);
}

TEST(Scheduler, StoppingAnswersWhatStillWaits) {
  auto scheduler = Started({.num_threads = 1});
  std::vector<Asked> asked;
  {
    Blockade blockade(*scheduler);
    for (unsigned i = 0; i < 5; ++i) {
      asked.push_back(Ask(*scheduler, {.embedder = Model(), .texts = {TextOf(i)}}));
    }
    std::thread stop([&] { scheduler.reset(); });
    std::this_thread::sleep_for(10ms);
    blockade.Lift();
    stop.join();
  }
  for (Asked& one : asked) {
    const auto answer = one.answer.get();
    EXPECT_TRUE(answer || answer.error().code() == ErrorCode::kServiceUnavailable);
  }
}

TEST(Scheduler, WhoIsAbandonedIsToldThoughAThreadIsStillAtWork) {
  const auto scheduler = Started();
  Blockade blockade(*scheduler);
  Asked waiting = Ask(*scheduler, {.embedder = Model(), .texts = {"a text"}});
  std::promise<Status> told;
  std::promise<void> begun;
  std::promise<void> gate;
  blockade.Lift();
  ASSERT_TRUE(waiting.answer.get());
  ASSERT_TRUE(scheduler->Submit(WorkRequest{.work =
                                                [&] {
                                                  begun.set_value();
                                                  gate.get_future().wait();
                                                }},
                                [&](const Status& status) { told.set_value(status); }));
  begun.get_future().wait();
  scheduler->Abandon();
  EXPECT_EQ(told.get_future().get().error().code(), ErrorCode::kServiceUnavailable);
  EXPECT_EQ(scheduler->Load().requests, 0);
  EXPECT_EQ(Ask(*scheduler, {.embedder = Model(), .texts = {"late"}}).ticket.error().code(),
            ErrorCode::kServiceUnavailable);
  gate.set_value();  // `done` is called once: a second set_value would throw.
  scheduler->Stop();
}

}  // namespace
}  // namespace akin
