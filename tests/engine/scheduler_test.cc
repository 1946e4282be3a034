#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/scheduler_requests.h"

namespace akin {
namespace {

using namespace std::chrono_literals;

TEST(Scheduler, AnswersWithTheBitsOfTheTextAlone) {
  const auto scheduler = Started();
  Asked asked =
      Ask(*scheduler, {.embedder = Model(), .texts = {"one text", "another", "", "four"}});
  const Embeddings answer = asked.answer.get().value().dense;
  ASSERT_EQ(answer.size(), 4u);
  const std::vector<std::string> texts = {"one text", "another", "", "four"};
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_TRUE(std::ranges::equal(answer[i], Alone(texts[i]))) << texts[i];
  }
  EXPECT_GT(answer.usage().total_tokens, 8);
  EXPECT_GE(answer.usage().queue_ms, 0);
}

TEST(Scheduler, ManyCallersEachGetTheirOwnVectors) {
  const auto scheduler = Started({.batch_tokens = 64, .max_requests = 10'000});
  constexpr unsigned kTexts = 40;
  std::vector<std::vector<float>> expected;
  for (unsigned i = 0; i < kTexts; ++i) expected.push_back(Alone(TextOf(i)));
  std::atomic<int> wrong{0}, right{0};
  std::vector<std::thread> callers;
  for (unsigned c = 0; c < 8; ++c) {
    callers.emplace_back([&, c] {
      std::mt19937 random(c);
      for (int round = 0; round < 30; ++round) {
        std::vector<unsigned> which(1 + random() % 6);
        EmbedRequest request{
            .embedder = Model(),
            .terms = {random() % 2 ? Priority::kQuery : Priority::kBulk, std::to_string(c % 3)}};
        for (unsigned& i : which) request.texts.push_back(TextOf(i = random() % kTexts));
        const Embeddings answer = Ask(*scheduler, std::move(request)).answer.get().value().dense;
        for (size_t i = 0; i < which.size(); ++i) {
          ++(std::ranges::equal(answer[i], expected[which[i]]) ? right : wrong);
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(right, 8 * 30);
  EXPECT_EQ(scheduler->Counts().completed, 8 * 30);
}

TEST(Scheduler, EqualTextsOfARequestAreComputedOnce) {
  const auto scheduler = Started();
  const std::vector<std::string> texts(50, "the same text");
  const Embeddings answer =
      Ask(*scheduler, {.embedder = Model(), .texts = texts}).answer.get().value().dense;
  EXPECT_EQ(answer.size(), 50u);
  for (size_t i = 1; i < 50; ++i) EXPECT_TRUE(std::ranges::equal(answer[i], answer[0]));
  EXPECT_EQ(scheduler->Counts().batch_sequences, 1);
  EXPECT_EQ(scheduler->Counts().duplicates, 49);
  EXPECT_EQ(answer.usage().total_tokens, 50 * answer.num_tokens(0));
}

TEST(Scheduler, CountsBatchesBySize) {
  const auto scheduler = Started({.num_threads = 1});
  SchedulerCounts expected;
  for (const size_t texts : {1, 2, 3, 4, 5, 4}) {
    std::vector<std::string> different;
    for (size_t i = 0; i < texts; ++i) different.push_back(TextOf(static_cast<unsigned>(i)));
    const AllEmbeddings answer =
        Ask(*scheduler, {.embedder = Model(), .texts = different}).answer.get().value();
    const auto bucket = [](int64_t value) {
      size_t i = 0;
      while (int64_t{1} << i < value) ++i;
      return i;
    };
    ++expected.batches_by_sequences[bucket(static_cast<int64_t>(texts))];
    ++expected.batches_by_tokens[bucket(answer.dense.usage().total_tokens)];
  }
  const SchedulerCounts counts = scheduler->Counts();
  ASSERT_EQ(counts.batches, 6) << "each request was a batch";
  EXPECT_EQ(counts.batches_by_sequences, expected.batches_by_sequences);
  EXPECT_EQ(counts.batches_by_sequences[2], 3) << "3, 4 and 4";
  EXPECT_EQ(counts.batches_by_tokens, expected.batches_by_tokens);
}

TEST(Scheduler, RequestsThatWaitAreJoinedIntoOneBatch) {
  const auto scheduler = Started({.num_threads = 1});
  Blockade blockade(*scheduler);
  std::vector<Asked> asked;
  for (unsigned i = 0; i < 20; ++i) {
    asked.push_back(Ask(*scheduler, {.embedder = Model(), .texts = {TextOf(i)}}));
  }
  blockade.Lift();
  for (unsigned i = 0; i < 20; ++i) {
    EXPECT_TRUE(std::ranges::equal(asked[i].answer.get().value().dense[0], Alone(TextOf(i))));
  }
  EXPECT_LE(scheduler->Counts().batches, 2);
}

TEST(Scheduler, TextsThatAreCutCountWithAllTheirBytes) {
  const auto scheduler = Started({.num_threads = 1, .max_bytes = 1 << 20});
  Blockade blockade(*scheduler);
  const std::string text = TextOf(0) + std::string(600'000, ' ') + "end";
  Asked first = Ask(*scheduler, {.embedder = Model(), .texts = {text}});
  Asked second = Ask(*scheduler, {.embedder = Model(), .texts = {text}});
  EXPECT_TRUE(first.ticket);
  ASSERT_FALSE(second.ticket);
  EXPECT_EQ(second.ticket.error().code(), ErrorCode::kOverloaded);
  EXPECT_NE(second.ticket.error().message().find("bytes of texts"), std::string::npos);
  EXPECT_EQ(second.ticket.error().field(), "max_bytes");
  EXPECT_EQ(scheduler->Counts().refused_for_bytes, 1);
  EXPECT_EQ(scheduler->Counts().refused, 1);
  EXPECT_GE(scheduler->Load().bytes, 600'000);
  const auto work =
      scheduler->Submit(WorkRequest{.work = [] {}, .bytes = 600'000}, [](const Status&) {});
  EXPECT_FALSE(work);
  blockade.Lift();
  EXPECT_TRUE(first.answer.get());
  while (scheduler->Load().requests > 0) std::this_thread::yield();
  EXPECT_EQ(scheduler->Load().bytes, 0);
}

TEST(Scheduler, RefusesWhatItsQueueCannotHold) {
  const auto scheduler = Started({.num_threads = 1, .max_requests = 3});
  Blockade blockade(*scheduler);
  Asked first = Ask(*scheduler, {.embedder = Model(), .texts = {"a"}});
  Asked second = Ask(*scheduler, {.embedder = Model(), .texts = {"b"}});
  Asked third = Ask(*scheduler, {.embedder = Model(), .texts = {"c"}});
  EXPECT_TRUE(first.ticket && second.ticket);
  ASSERT_FALSE(third.ticket);
  EXPECT_EQ(third.ticket.error().code(), ErrorCode::kOverloaded);
  EXPECT_EQ(scheduler->Load().requests, 3);
  EXPECT_GE(scheduler->Load().retry_after_seconds, 1);
  blockade.Lift();
  EXPECT_TRUE(first.answer.get() && second.answer.get());
}

TEST(Scheduler, ATextThatIsWrongNamesItsPlaceAmongEqualOnes) {
  const auto scheduler = Started();
  Asked asked = Ask(*scheduler, {.embedder = Model(), .texts = {"a", "a", "\xff"}});
  const Error error = asked.answer.get().error();
  EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
  EXPECT_TRUE(error.message().starts_with("text 2:")) << error.message();
}

TEST(Scheduler, ARequestWithoutTextsIsRefused) {
  const auto scheduler = Started();
  EXPECT_EQ(Ask(*scheduler, {.embedder = Model()}).ticket.error().code(), ErrorCode::kInvalidInput);
}

// Cancels, deadlines and stops meet batches under way: each accepted request is answered once, and
// an answer is its own text's vector. Worth most under the thread sanitizer.
TEST(Scheduler, EachAcceptedRequestIsAnsweredOnceWhateverMeets) {
  constexpr unsigned kTexts = 20;
  std::vector<std::vector<float>> expected;
  for (unsigned i = 0; i < kTexts; ++i) expected.push_back(Alone(TextOf(i)));
  std::atomic<int> accepted{0}, answered{0}, wrong{0};
  {
    const auto scheduler = Started({.batch_tokens = 32, .max_requests = 30});
    std::vector<std::thread> callers;
    for (unsigned c = 0; c < 6; ++c) {
      callers.emplace_back([&, c] {
        std::mt19937 random(c);
        for (int own = 0; own < 50;) {
          const unsigned which = random() % kTexts;
          EmbedRequest request{.embedder = Model(), .texts = {TextOf(which), TextOf(which + 1)}};
          if (random() % 4 == 0) {
            request.terms.deadline =
                std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 2000);
          }
          const auto ticket = scheduler->Submit(std::move(request), [&, which](auto answer) {
            ++answered;
            if (answer && !std::ranges::equal(answer->dense[0], expected[which])) ++wrong;
          });
          if (!ticket) {  // Full: the workers need a moment.
            std::this_thread::sleep_for(200us);
            continue;
          }
          ++own;
          ++accepted;
          if (random() % 3 == 0) scheduler->Cancel(*ticket);
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_EQ(answered, accepted);
  EXPECT_EQ(accepted, 6 * 50);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace akin
