// What clients that a caller names get of a scheduler's queue.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/scheduler_requests.h"

namespace akin {
namespace {

Asked AskAs(Scheduler& scheduler, const std::string& client, const std::string& text = "a") {
  return Ask(scheduler, {.embedder = Model(), .texts = {text}, .terms = {.client = client}});
}

TEST(SchedulerClients, OneThatFillsTheQueueKeepsNobodyOut) {
  const auto scheduler = Started({.num_threads = 1, .max_requests = 5});
  Blockade blockade(*scheduler);  // One more client, whose request is under way.
  std::vector<Asked> greedy;
  do {
    greedy.push_back(AskAs(*scheduler, "greedy"));
  } while (greedy.back().ticket);
  EXPECT_EQ(greedy.size(), 5u) << "four beside the one under way, and the one refused";
  const Error error = greedy.back().ticket.error();
  EXPECT_EQ(error.code(), ErrorCode::kOverloaded);
  EXPECT_EQ(error.field(), "max_requests");
  EXPECT_NE(error.message().find("of this client 4 requests"), std::string::npos)
      << error.message();
  Asked other = AskAs(*scheduler, "other"), another = AskAs(*scheduler, "other");
  EXPECT_TRUE(other.ticket && another.ticket) << "2 + 2 + 1 is 5";
  EXPECT_FALSE(AskAs(*scheduler, "other").ticket);
  blockade.Lift();
  EXPECT_TRUE(other.answer.get() && another.answer.get());
}

TEST(SchedulerClients, ALargeFirstRequestOfEachIsTaken) {
  const auto scheduler = Started({.num_threads = 1, .max_tokens = 10});
  Blockade blockade(*scheduler);
  std::string text = "w";
  for (int i = 0; i < 30; ++i) text += " w";
  Asked first = AskAs(*scheduler, "a", text);
  EXPECT_TRUE(first.ticket) << "nothing else waits";
  EXPECT_FALSE(AskAs(*scheduler, "a", text).ticket);
  EXPECT_EQ(AskAs(*scheduler, "a").ticket.error().field(), "max_tokens");
  Asked small = AskAs(*scheduler, "b");
  EXPECT_TRUE(small.ticket) << "a few words, whoever waits";
  blockade.Lift();
  EXPECT_TRUE(first.answer.get() && small.answer.get());
}

TEST(SchedulerClients, EachLearnsWhenItsOwnIsDone) {
  const auto scheduler =
      Started({.num_threads = 1, .max_requests = 4, .max_tokens = int64_t{1} << 40});
  EXPECT_TRUE(AskAs(*scheduler, "a", "to learn the speed").answer.get());
  Blockade blockade(*scheduler);
  const auto work_of = [&](const std::string& client, double seconds,
                           Priority priority = Priority::kQuery) {
    const double tokens = seconds * scheduler->Load().tokens_per_second;
    return scheduler->Submit(WorkRequest{.work = [] {},
                                         .estimated_tokens = static_cast<int64_t>(tokens),
                                         .terms = {.priority = priority, .client = client}},
                             [](const Status&) {});
  };
  ASSERT_TRUE(work_of("much", 100));
  ASSERT_TRUE(work_of("little", 20));
  EXPECT_EQ(scheduler->LoadOf("little").requests, 1);
  EXPECT_NEAR(scheduler->LoadOf("little").retry_after_seconds, 40, 1) << "as much of the other";
  EXPECT_NEAR(scheduler->LoadOf("much").retry_after_seconds, 120, 1);
  EXPECT_NEAR(scheduler->Load().retry_after_seconds, 120, 1);
  EXPECT_LE(scheduler->LoadOf("new").retry_after_seconds, 2);
  EXPECT_EQ(scheduler->LoadOf("new").requests, 0);
  const auto retry_after = [&](const char* client, Priority priority) {
    return scheduler->LoadOf(client, priority).retry_after_seconds;
  };
  ASSERT_TRUE(work_of("bulk", 700, Priority::kBulk));
  EXPECT_NEAR(retry_after("little", Priority::kQuery), 40 * 8 / 7, 1) << "bulk waits for queries";
  EXPECT_NEAR(retry_after("bulk", Priority::kBulk), 820, 8);
  EXPECT_NEAR(scheduler->LoadOf("bulk").retry_after_seconds, 820, 8);
  EXPECT_LE(retry_after("new", Priority::kQuery), 2);
  EXPECT_EQ(scheduler->LoadOf("new").full, "");
  while (work_of("little", 0.001)) {
  }
  EXPECT_EQ(scheduler->LoadOf("little").full, "max_requests");
  EXPECT_EQ(scheduler->LoadOf("new").full, "");
}

}  // namespace
}  // namespace akin
