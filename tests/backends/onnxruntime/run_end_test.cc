// Runs end when nobody wants them any more: at the deadline of a call, and when all callers have
// left. The graph goes round a loop for as long as its texts say.
#include <array>
#include <chrono>
#include <future>
#include <thread>

#include "akin/scheduler.h"

#include "backends/onnxruntime/tiny_graph.h"
#include "support/expect_error.h"

namespace akin::backends {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using onnx_file::Node;
using Clock = std::chrono::steady_clock;

std::string Scalar(std::string_view name, int type, std::string_view raw) {
  return Initializer(onnx_file::TensorHead(name, type, {}) + protobuf::Bytes(9, raw));
}
std::string Int64(std::string_view name, int64_t value) {
  return Scalar(name, kInt64Type, {reinterpret_cast<const char*>(&value), sizeof value});
}

// Rounds of a token with which the run fails.
constexpr int64_t kFails = -1;

// A token, and how many rounds each takes.
struct Slowness {
  int64_t token;
  int64_t rounds;
};

// last_hidden_state [batch, length, width] = the table's rows; meanwhile the rounds of those tokens
// that are there.
std::string SlowModel(int64_t vocab_size, int64_t width, std::initializer_list<Slowness> slow) {
  std::vector<float> table(static_cast<size_t>(vocab_size * width));
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i % 7) + 0.5f;
  std::string nodes, initializers = Int64("no_rounds", 0);
  initializers += Initializer(onnx_file::TensorHead("list", kInt64Type, {1}) +
                              protobuf::Bytes(9, "\0\0\0\0\0\0\0\0"s));
  std::string rounds = "no_rounds";
  for (const Slowness& one : slow) {
    const std::string id = std::to_string(one.token);
    initializers += Int64("token" + id, one.token) + Int64("each" + id, one.rounds);
    nodes +=
        GraphNode(Node("Equal", {"input_ids", "token" + id}, {"is" + id})) +
        GraphNode(Node("Cast", {"is" + id}, {"count" + id}, IntAttribute("to", kInt64Type))) +
        GraphNode(Node("ReduceSum", {"count" + id}, {"all" + id}, IntAttribute("keepdims", 0))) +
        (one.rounds == kFails
             // Of a list with one element.
             ? GraphNode(Node("Gather", {"list", "all" + id}, {"rounds" + id}))
             : GraphNode(Node("Mul", {"all" + id, "each" + id}, {"rounds" + id}))) +
        GraphNode(Node("Add", {rounds, "rounds" + id}, {"to" + id}));
    rounds = "to" + id;
  }
  const std::string body =
      protobuf::Bytes(2, "body") + GraphNode(Node("Identity", {"go"}, {"go_on"})) +
      GraphNode(Node("Add", {"sum", "one"}, {"next"})) + GraphInput("round", kInt64Type, {}) +
      GraphInput("go", 9, {}) + GraphInput("sum", kFloatType, {}) + GraphOutput("go_on", 9, {}) +
      GraphOutput("next", kFloatType, {});
  const std::string loop = protobuf::Bytes(
      5, protobuf::Bytes(1, "body") + protobuf::Bytes(6, body) + protobuf::Number(20, 5));
  return onnx_file::Model(
      protobuf::Bytes(2, "g") +
      Initializer(onnx_file::FloatTensor("table", {vocab_size, width}, table)) + initializers +
      Scalar("always", 9, "\x01"s) + Scalar("one", kFloatType, "\0\0\x80\x3F"s) + nodes +
      Lookup("states") + GraphNode(Node("Loop", {rounds, "always", "one"}, {"sum"}, loop)) +
      // The sum is at least 1.
      GraphNode(Node("Min", {"sum", "one"}, {"factor"})) +
      GraphNode(Node("Mul", {"states", "factor"}, {"last_hidden_state"})) +
      GraphInput("input_ids") + GraphOutput("last_hidden_state", kFloatType, {-1, -1, width}));
}

constexpr int64_t kEndless = 1'000'000'000;  // Rounds: many minutes.
// What it may take to end a run on a machine that has much else to do.
constexpr auto kSoon = 60s;
// Where nothing else ends it.
constexpr int kBound = 90'000;

class RunEndTest : public OnnxRuntimeTest {};

// --- The backend ---

class BackendRunEndTest : public RunEndTest {
 protected:
  void SetUp() override {
    RunEndTest::SetUp();
    if (IsSkipped()) return;
    OnnxRuntimeParams params;
    params.options.run_timeout_ms = kBound;
    auto loaded = folder_.Load(params);
    ASSERT_TRUE(loaded) << loaded.error().message();
    backend_ = *std::move(loaded);
    session_ = backend_->NewSession(64, 1);
  }

  // Of one token, in the same session.
  Status Compute(int32_t token, const WantedUntil& until) {
    const std::array<int32_t, 1> ids = {token};
    constexpr std::array<int32_t, 2> kBorders = {0, 1};
    RaggedBatch batch{ids, {}, kBorders};
    batch.wanted_until = &until;
    const auto rows = backend_->Compute(batch, TeamMember{}, *session_);
    if (!rows) return rows.error();
    EXPECT_EQ(rows->rows(), 1u);
    return {};
  }

  static constexpr int32_t kQuick = 1, kSlow = 2;
  const OnnxFolder folder_{SlowModel(kTableRows, kTableWidth, {{kSlow, kEndless}})};
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Session> session_;
};

TEST_F(BackendRunEndTest, ARunEndsAtTheDeadlineAndTheNextOneRuns) {
  for (int i = 0; i < 3; ++i) {
    const auto begin = Clock::now();
    ExpectError(Compute(kSlow, {.deadline = begin + 100ms}), ErrorCode::kDeadlineExceeded,
                "while the model ran");
    EXPECT_GE(Clock::now() - begin, 100ms);
    EXPECT_LT(Clock::now() - begin, kSoon);
    EXPECT_TRUE(Compute(kQuick, {.deadline = Clock::now() + 1h}));
    EXPECT_TRUE(Compute(kQuick, {}));
  }
}

TEST_F(BackendRunEndTest, AnEarlierDeadlineIsSeenWhileALaterOneIsWaitedFor) {
  // The watching thread sleeps until the first one's.
  ASSERT_TRUE(Compute(kQuick, {.deadline = Clock::now() + 1h}));
  const auto begin = Clock::now();
  ExpectError(Compute(kSlow, {.deadline = begin + 50ms}), ErrorCode::kDeadlineExceeded, "deadline");
  EXPECT_LT(Clock::now() - begin, kSoon);
}

TEST_F(BackendRunEndTest, AfterTheDeadlineNothingIsBegun) {
  ExpectError(Compute(kQuick, {.deadline = Clock::now()}), ErrorCode::kDeadlineExceeded,
              "deadline");
}

TEST_F(BackendRunEndTest, ARunEndsWhenAllHaveLeft) {
  std::stop_source left;
  std::thread leaver([&] {
    std::this_thread::sleep_for(100ms);
    left.request_stop();
  });
  ExpectError(Compute(kSlow, {.left = left.get_token()}), ErrorCode::kCancelled, "nobody waits");
  leaver.join();
  ExpectError(Compute(kQuick, {.left = left.get_token()}), ErrorCode::kCancelled, "nobody waits");
  EXPECT_TRUE(Compute(kQuick, {.left = std::stop_source().get_token()}));
}

// --- Requests of a scheduler ---

// The deadline passed before the run had begun.
bool ExpiredInTheQueue(const Status& status) {
  return !status &&
         status.error().message().find("before the request was computed") != std::string::npos;
}

// A deadline must come after the beginning of its run, and a run must not be over before something
// else has happened: how long that takes, a busy machine decides. `attempt` is called with ever
// longer times until it says that they were long enough.
template <typename Attempt>
void TryWithLongerTimes(Attempt attempt) {
  for (int factor = 1; factor <= 64; factor *= 2) {
    if (attempt(factor) || testing::Test::HasFailure()) return;
  }
  FAIL() << "the machine is too busy, or the run is never under way";
}

class RequestRunEndTest : public RunEndTest {
 protected:
  void SetUp() override {
    RunEndTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::copy(kModel, folder_.path(), std::filesystem::copy_options::recursive);
    std::filesystem::remove(folder_ / "model.safetensors");
    const Tokenizer tokenizer = Tokenizer::Load(kModel).value();
    const auto token = [&](std::string_view word) {
      return int64_t{tokenizer.TokenToId(word).value()};
    };
    folder_.Write("model.onnx", SlowModel(kVocabSize, kHiddenSize,
                                          {{token("winter"), kEndless},
                                           {token("patience"), kLong},
                                           {token("von"), kFails}}));
    LoadOptions options = {.backend = BackendKind::kOnnxRuntime, .num_threads = 2};
    options.onnxruntime.run_timeout_ms = kBound;
    auto loaded = Embedder::Load(folder_.path().string(), options);
    ASSERT_TRUE(loaded) << loaded.error().message();
    embedder_.emplace(*std::move(loaded));
  }

  // A request, and its answer to come.
  struct Asked {
    Scheduler::Ticket ticket;
    std::future<Status> answer;
    Status Get() {
      if (answer.wait_for(kSoon) != std::future_status::ready)
        return Error(ErrorCode::kInternal, "no answer");
      return answer.get();
    }
  };
  Asked Ask(std::string text, RequestTerms terms = {}) {
    auto promise = std::make_shared<std::promise<Status>>();
    auto answer = promise->get_future();
    EmbedRequest request{.embedder = *embedder_};
    request.texts.push_back(std::move(text));
    request.terms = std::move(terms);
    const auto ticket =
        scheduler_->Submit(std::move(request), [promise](const Result<AllEmbeddings>& result) {
          promise->set_value(result ? Status() : Status(result.error()));
        });
    return {ticket.value(), std::move(answer)};
  }
  // Until a worker computes all that has come.
  void WaitUntilUnderWay() {
    const auto end = Clock::now() + kSoon;
    while (scheduler_->Load().waiting_tokens > 0 && Clock::now() < end)
      std::this_thread::sleep_for(1ms);
  }

  // Rounds of one "patience": a part of a second.
  static constexpr int64_t kLong = 250'000;
  static constexpr char kModel[] = AKIN_TEST_DATA "/models/bert-mean";
  static constexpr int64_t kHiddenSize = 64, kVocabSize = 700;
  const TemporaryFolder folder_;
  std::optional<Embedder> embedder_;
  std::unique_ptr<Scheduler> scheduler_ = Scheduler::Start({.num_threads = 1}).value();
};

TEST_F(RequestRunEndTest, TheDeadlineOfARequestEndsItsRun) {
  int asked = 0;
  TryWithLongerTimes([&](int factor) {
    ++asked;
    const Status answer = Ask("winter", {.deadline = Clock::now() + factor * 100ms}).Get();
    if (ExpiredInTheQueue(answer)) return false;
    ExpectError(answer, ErrorCode::kDeadlineExceeded, "while the model ran");
    return true;
  });
  EXPECT_EQ(scheduler_->Counts().expired, asked);
  EXPECT_EQ(scheduler_->Counts().failed, 0);
  EXPECT_TRUE(Ask("a stone").Get()) << "the only worker is free again";
}

TEST_F(RequestRunEndTest, CancellingARequestEndsItsRun) {
  Asked asked = Ask("winter");
  WaitUntilUnderWay();
  scheduler_->Cancel(asked.ticket);
  ExpectError(asked.Get(), ErrorCode::kCancelled, "cancelled");
  EXPECT_TRUE(Ask("a stone").Get()) << "the only worker is free again";
}

// The time of an ended run says nothing of the machine's speed, from which Retry-After is made.
TEST_F(RequestRunEndTest, WhatWasEndedCountsNeitherAsComputedNorForTheSpeed) {
  ASSERT_TRUE(Ask("a stone").Get());
  const SchedulerCounts before = scheduler_->Counts();
  const double speed = scheduler_->Load().tokens_per_second;
  EXPECT_GT(speed, 0);
  Asked asked = Ask("winter");
  WaitUntilUnderWay();
  scheduler_->Cancel(asked.ticket);
  ExpectError(asked.Get(), ErrorCode::kCancelled, "cancelled");
  // The only worker does this after it has come back from the run.
  std::promise<void> done;
  ASSERT_TRUE(
      scheduler_->Submit(WorkRequest{.work = [] {}}, [&done](const Status&) { done.set_value(); }));
  ASSERT_EQ(done.get_future().wait_for(kSoon), std::future_status::ready);
  EXPECT_EQ(scheduler_->Counts().batches, before.batches);
  EXPECT_EQ(scheduler_->Counts().batch_sequences, before.batch_sequences);
  EXPECT_EQ(scheduler_->Counts().batch_tokens, before.batch_tokens);
  EXPECT_EQ(scheduler_->Counts().batches_by_tokens, before.batches_by_tokens);
  EXPECT_EQ(scheduler_->Load().tokens_per_second, speed);
}

TEST_F(RequestRunEndTest, AbandoningEndsTheRunsUnderWay) {
  Asked asked = Ask("winter");
  WaitUntilUnderWay();
  const auto begin = Clock::now();
  scheduler_->Abandon();
  ExpectError(asked.Get(), ErrorCode::kServiceUnavailable, "stopping");
  scheduler_.reset();  // Waits for its worker.
  EXPECT_LT(Clock::now() - begin, kSoon);
}

// Two requests in one run.
class SharedRunEndTest : public RequestRunEndTest {
 protected:
  // Asks both while the only worker is busy, so that it takes them together.
  std::pair<Asked, Asked> AskTogether(std::string one, std::string other, RequestTerms first = {},
                                      RequestTerms second = {}) {
    std::promise<void> open;
    EXPECT_TRUE(
        scheduler_->Submit(WorkRequest{.work = [gate = open.get_future().share()] { gate.wait(); }},
                           [](const Status&) {}));
    std::pair<Asked, Asked> asked = {Ask(std::move(one), std::move(first)),
                                     Ask(std::move(other), std::move(second))};
    batches_ = scheduler_->Counts().batches;
    open.set_value();
    WaitUntilUnderWay();
    return asked;
  }
  // Takes as many times kLong.
  static std::string Patience(int times) {
    std::string text = "patience";
    for (int i = 1; i < times; ++i) text += " patience";
    return text;
  }
  void ExpectOneBatch() { EXPECT_EQ(scheduler_->Counts().batches, batches_ + 1); }
  int64_t batches_ = 0;
};

TEST_F(SharedRunEndTest, OneThatLeavesDoesNotDisturbTheOther) {
  TryWithLongerTimes([&](int factor) {
    auto [first, second] = AskTogether(Patience(factor), Patience(factor) + " stone");
    scheduler_->Cancel(first.ticket);
    const Status left = first.Get(), stayed = second.Get();
    EXPECT_TRUE(stayed);
    if (left) return false;  // The run was over.
    ExpectError(left, ErrorCode::kCancelled, "cancelled");
    ExpectOneBatch();
    return true;
  });
}

TEST_F(SharedRunEndTest, WhatIsComputedOneByOneAfterARunHasFailedCountsAsSuch) {
  const SchedulerCounts before = scheduler_->Counts();
  auto [good, bad] = AskTogether("stone", "von");
  EXPECT_TRUE(good.Get());
  ExpectError(bad.Get(), ErrorCode::kInternal, "ONNX Runtime");
  EXPECT_EQ(scheduler_->Counts().failed, before.failed + 1);
  EXPECT_EQ(scheduler_->Counts().batches, before.batches + 1);
  EXPECT_EQ(scheduler_->Counts().batch_sequences, before.batch_sequences + 1);
  EXPECT_EQ(scheduler_->Counts().batch_tokens, before.batch_tokens + 3);
}

TEST_F(SharedRunEndTest, OneDeadlineDoesNotEndTheRunOfTheOther) {
  auto patience = 100ms;
  TryWithLongerTimes([&](int factor) {
    const auto deadline = Clock::now() + patience;
    auto [first, second] =
        AskTogether(Patience(factor), Patience(factor) + " stone", {.deadline = deadline});
    const Status early = first.Get(), late = second.Get();
    const bool is_over = Clock::now() > deadline;
    EXPECT_TRUE(late);
    if (ExpiredInTheQueue(early)) {
      patience *= 2;
      return false;
    }
    EXPECT_TRUE(early) << "late, but computed: " << early.error().message();
    if (!is_over) return false;  // The run has met no deadline.
    ExpectOneBatch();
    return true;
  });
}

TEST_F(SharedRunEndTest, ARunEndsWhenAllDeadlinesHavePassed) {
  TryWithLongerTimes([&](int factor) {
    const auto now = Clock::now();
    auto [first, second] = AskTogether("winter", "winter stone", {.deadline = now + factor * 100ms},
                                       {.deadline = now + factor * 150ms});
    const Status one = first.Get(), other = second.Get();
    if (ExpiredInTheQueue(one) || ExpiredInTheQueue(other)) return false;
    ExpectError(one, ErrorCode::kDeadlineExceeded, "while the model ran");
    ExpectError(other, ErrorCode::kDeadlineExceeded, "while the model ran");
    return true;
  });
}

}  // namespace
}  // namespace akin::backends
