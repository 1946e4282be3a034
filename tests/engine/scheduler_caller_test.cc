// Short requests that an idle scheduler computes where they are submitted.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/scheduler_requests.h"

namespace akin {
namespace {

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

TEST(Scheduler, TheStagesOfARequestAreItsTime) {
  const auto scheduler = Started();
  std::promise<Usage> spent;
  const std::vector<std::string> texts = [] {
    std::vector<std::string> many;
    for (int i = 0; i < 500; ++i) many.push_back("text number " + std::to_string(i));
    return many;
  }();
  ASSERT_TRUE(scheduler->Submit(EmbedRequest{.embedder = Model(), .texts = texts},
                                [&](const Result<AllEmbeddings>& answer) {
                                  spent.set_value(answer ? answer->dense.usage() : Usage{});
                                }));
  const Usage usage = spent.get_future().get();
  EXPECT_GT(usage.compute_ms, 0);
  EXPECT_NEAR(usage.tokenize_ms + usage.queue_ms + usage.compute_ms, usage.duration_ms, 1e-3);
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

}  // namespace
}  // namespace akin
