#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/scheduler_requests.h"

namespace akin {
namespace {

using namespace std::chrono_literals;

std::vector<float> Alone(const std::string& text) {
  const auto embeddings = Model().Embed({text}).value();
  return {embeddings[0].begin(), embeddings[0].end()};
}

std::string TextOf(unsigned i) {
  std::string text;
  for (unsigned k = 0; k <= i % 13; ++k) text += "word" + std::to_string(i * 7 + k) + ' ';
  return text;
}

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

// What `done` was told of, and where it ran.
struct Told {
  std::optional<Result<AllEmbeddings>> answer;
  std::thread::id thread;
};
Scheduler::Done<AllEmbeddings> TellInto(Told& told) {
  return [&told](Result<AllEmbeddings> answer) {
    told = {std::move(answer), std::this_thread::get_id()};
  };
}

TEST(Scheduler, AnIdleOneComputesAShortRequestWhereItIsSubmittedIfThatMay) {
  const auto scheduler = Started();
  Told told;
  ASSERT_TRUE(scheduler->Submit(EmbedRequest{.embedder = Model(),
                                             .texts = {"one text", "another", "one text"},
                                             .terms = {.may_compute_here = true}},
                                TellInto(told)));
  ASSERT_TRUE(told.answer.has_value()) << "answered before Submit returned";
  EXPECT_EQ(told.thread, std::this_thread::get_id());
  const Embeddings& answer = told.answer->value().dense;
  ASSERT_EQ(answer.size(), 3u);
  for (const auto& [i, text] : {std::pair(0, "one text"), {1, "another"}, {2, "one text"}})
    EXPECT_TRUE(std::ranges::equal(answer[static_cast<size_t>(i)], Alone(text)));
  EXPECT_GT(answer.usage().compute_ms, 0);
  const SchedulerCounts counts = scheduler->Counts();
  EXPECT_EQ(counts.accepted, 1);
  EXPECT_EQ(counts.completed, 1);
  EXPECT_EQ(counts.duplicates, 1);
  EXPECT_EQ(scheduler->Load().requests, 0);
}

TEST(Scheduler, ItsErrorsComeBackFromThereToo) {
  const auto scheduler = Started();
  Told told;
  ASSERT_TRUE(scheduler->Submit(EmbedRequest{.embedder = Model(),
                                             .texts = {"a text"},
                                             .options = {.prompt_name = "none such"},
                                             .terms = {.may_compute_here = true}},
                                TellInto(told)));
  ASSERT_TRUE(told.answer.has_value());
  EXPECT_EQ(told.answer->error().code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(scheduler->Counts().failed, 1);
}

// The thread that tells of an answer to a request that might be computed at once.
std::thread::id ThreadThatAnswers(
    Scheduler& scheduler, EmbedRequest request, const std::function<void()>& then = [] {}) {
  request.terms.may_compute_here = true;
  std::promise<std::thread::id> thread;
  EXPECT_TRUE(scheduler.Submit(std::move(request), [&](const Result<AllEmbeddings>& answer) {
    EXPECT_TRUE(answer);
    thread.set_value(std::this_thread::get_id());
  }));
  then();
  return thread.get_future().get();
}

TEST(Scheduler, NothingIsComputedWhereItIsSubmittedWhileOthersWait) {
  const auto scheduler = Started();
  Blockade blockade(*scheduler);
  EXPECT_NE(ThreadThatAnswers(*scheduler, {.embedder = Model(), .texts = {"a text"}},
                              [&] { blockade.Lift(); }),
            std::this_thread::get_id());
}

TEST(Scheduler, AfterACrowdNothingIsComputedWhereItIsSubmittedUntilItIsForgotten) {
  const auto scheduler = Started();
  {
    Blockade blockade(*scheduler);
    std::vector<Asked> crowd;
    for (int i = 0; i < 8; ++i) {
      crowd.push_back(Ask(*scheduler, {.embedder = Model(), .texts = {TextOf(7)}}));
    }
    blockade.Lift();
    for (Asked& asked : crowd) ASSERT_TRUE(asked.answer.get());
  }
  const auto here = [&] {
    return ThreadThatAnswers(*scheduler, {.embedder = Model(), .texts = {"a text"}}) ==
           std::this_thread::get_id();
  };
  EXPECT_FALSE(here()) << "the thread that submits has others to serve";
  // How many it takes is ThreadShares' (tests/batching). On a busy machine some meet the worker
  // that has not put away the one before, or come while a short text counts as a long one.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!here()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "each of them was alone";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(Scheduler, WorkIsNotDoneWhereItIsSubmittedWhateverItsTerms) {
  const auto scheduler = Started();
  std::promise<std::thread::id> thread;
  ASSERT_TRUE(
      scheduler->Submit(WorkRequest{.work = [&] { thread.set_value(std::this_thread::get_id()); },
                                    .terms = {.may_compute_here = true}},
                        [](const Status& status) { EXPECT_TRUE(status); }));
  EXPECT_NE(thread.get_future().get(), std::this_thread::get_id());
}

TEST(Scheduler, LongTextsAreNotTokenizedWhereTheyAreSubmittedHoweverFewTokensCount) {
  const auto scheduler = Started();
  std::string text;
  for (int i = 0; i < 200; ++i) text += "word ";
  EXPECT_NE(ThreadThatAnswers(*scheduler,
                              {.embedder = Model(), .texts = {text}, .options = {.max_tokens = 4}}),
            std::this_thread::get_id());
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
