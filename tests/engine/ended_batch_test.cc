// A batch that is being computed ends when nobody wants it any more, and counts as no batch. When a
// request leaves or expires while its batch is computed, a busy machine decides: each test tries
// until it has met that, and no longer than this.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <random>
#include <string>
#include <thread>

#include "engine/scheduler_requests.h"

namespace akin {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLongestTry = 20s;

// Texts that are all different, of about so many tokens: a batch.
EmbedRequest LongRequest(int num_tokens, RequestTerms terms = {}) {
  std::mt19937 generator(3);
  EmbedRequest request{.embedder = Model(), .terms = std::move(terms)};
  for (int tokens = 0; tokens < num_tokens; tokens += 48) {
    std::string text;
    for (int word = 0; word < 24; ++word) text += std::to_string(generator() % 1000) + ' ';
    request.texts.push_back(std::move(text));
  }
  return request;
}

constexpr int kManyTokens = 1 << 16;
std::unique_ptr<Scheduler> StartedForBatchesOf(int num_tokens) {
  return Started({.num_threads = 1, .batch_tokens = 2 * num_tokens});
}

// Without an end between layers or batches no answer says so.
TEST(EndedBatch, ItEndsAtTheDeadline) {
  const auto scheduler = StartedForBatchesOf(kManyTokens);
  auto begin = Clock::now();
  ASSERT_TRUE(Ask(*scheduler, LongRequest(kManyTokens)).answer.get());
  Clock::duration patience = (Clock::now() - begin) / 2;
  for (begin = Clock::now();;) {
    ASSERT_LT(Clock::now() - begin, kLongestTry) << "no batch was ended while the model ran";
    const int64_t completed = scheduler->Counts().completed;
    const auto answer =
        Ask(*scheduler, LongRequest(kManyTokens, {.deadline = Clock::now() + patience}))
            .answer.get();
    if (answer) {  // It took less time than the one before.
      EXPECT_EQ(scheduler->Counts().completed, completed + 1);
      patience = patience * 3 / 4;
      continue;
    }
    ASSERT_EQ(answer.error().code(), ErrorCode::kDeadlineExceeded) << answer.error().message();
    EXPECT_EQ(scheduler->Counts().completed, completed);
    if (answer.error().message().find("while the model ran") != std::string::npos) break;
    patience = patience * 5 / 4;  // It had not begun.
  }
  EXPECT_EQ(scheduler->Counts().failed, 0);
  EXPECT_TRUE(Ask(*scheduler, {.embedder = Model(), .texts = {"next"}}).answer.get());
}

TEST(EndedBatch, ItEndsWhenItsRequestHasLeft) {
  const auto begin = Clock::now();
  for (int num_tokens = kManyTokens;; num_tokens += kManyTokens) {
    ASSERT_LT(Clock::now() - begin, kLongestTry) << "each was computed before its request left";
    const auto scheduler = StartedForBatchesOf(num_tokens);
    Asked asked = Ask(*scheduler, LongRequest(num_tokens));
    while (scheduler->Load().waiting_tokens > 0) {
      ASSERT_LT(Clock::now() - begin, kLongestTry) << "nothing is computed";
      std::this_thread::sleep_for(1ms);
    }
    scheduler->Cancel(asked.ticket.value());
    const auto answer = asked.answer.get();
    if (answer) continue;
    EXPECT_EQ(answer.error().code(), ErrorCode::kCancelled) << answer.error().message();
    EXPECT_TRUE(Ask(*scheduler, {.embedder = Model(), .texts = {"next"}}).answer.get());
    EXPECT_EQ(scheduler->Counts().batch_sequences, 1) << "the one that was ended counts, too";
    break;
  }
}

}  // namespace
}  // namespace akin
