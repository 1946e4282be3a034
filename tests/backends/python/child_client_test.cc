// The supervised child, beside fake_child.py: a test child whose right answers are a formula.
#include "backends/python/child_client.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "akin/backend_counts.h"

#include "base/strings.h"
#include "support/expect_error.h"

namespace akin::backends::python {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kWidth = 8;
// Ids that make the test child misbehave.
constexpr int32_t kDie = 900, kHang = 901, kFew = 902, kNan = 903, kWide = 904, kStray = 905,
                  kGarbage = 906, kRefuse = 907, kShort = 908, kCut = 909, kFlood = 910,
                  kSlow = 911;

float RightValue(int32_t token, size_t column) {
  return static_cast<float>(
      static_cast<double>((31 * token + 7 * static_cast<int>(column)) % 97) / 97 - 0.5);
}

ClientOptions Options(const std::string& mode) {
  return {.argv = {AKIN_TEST_INTERPRETER, "-I", "-S", AKIN_TEST_FAKE_CHILD, mode},
          .what = "the interpreter",
          .load = {.model = "/models/with \"quotes\""},
          .first_back_off = milliseconds(10),
          .longest_back_off = milliseconds(50)};
}

std::unique_ptr<ChildClient> Started(ClientOptions options) {
  auto client = ChildClient::Start(std::move(options));
  EXPECT_TRUE(client) << client.error().message();
  return client ? *std::move(client) : nullptr;
}
std::unique_ptr<ChildClient> Started(const std::string& mode) { return Started(Options(mode)); }

// Sends `ids` as two sequences, and checks each value of a right answer.
Status Ask(ChildClient& client, const std::vector<int32_t>& ids,
           std::shared_ptr<Exchange>& exchange) {
  const int32_t middle = static_cast<int32_t>(ids.size() / 2),
                end = static_cast<int32_t>(ids.size());
  const std::vector<int32_t> borders =
      middle > 0 ? std::vector<int32_t>{0, middle, end} : std::vector<int32_t>{0, end};
  const RaggedBatch batch{.input_ids = ids, .token_type_ids = {}, .cu_seqlens = borders};
  AKIN_TRY(client.Call(WriteEmbedRequest(batch, client.description()), ids.size(), exchange));
  for (size_t t = 0; t < ids.size(); ++t) {
    for (size_t j = 0; j < kWidth; ++j) {
      const float found = exchange->values[t * kWidth + j];
      if (found != RightValue(ids[t], j))
        return Internal("WRONG ANSWER: token ", ids[t], ", column ", j, " is ", found);
    }
  }
  return {};
}
Status Ask(ChildClient& client, const std::vector<int32_t>& ids) {
  std::shared_ptr<Exchange> exchange;
  return Ask(client, ids, exchange);
}

void ExpectRight(const Status& status) { EXPECT_TRUE(status) << status.error().message(); }

std::set<std::string> OpenDescriptors() {
  std::set<std::string> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    open.insert(entry.path().filename().string());
  return open;
}

// Also those that have ended and that nobody has waited for.
int NumChildren() {
  int count = 0;
  const std::string self = StrCat(getpid());
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (!std::getline(file, line)) continue;
    const size_t behind_name = line.rfind(')');
    const std::string rest = line.substr(behind_name + 4);  // ") S PPID ..."
    count += rest.substr(0, rest.find(' ')) == self ? 1 : 0;
  }
  return count;
}

bool IsAlive(pid_t pid) { return kill(pid, 0) == 0; }

// The processes of a group.
std::vector<pid_t> MembersOf(pid_t group) {
  std::vector<pid_t> members;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    const pid_t pid = static_cast<pid_t>(std::stoi(name));
    if (getpgid(pid) == group) members.push_back(pid);
  }
  return members;
}

bool EndsWithin(const std::vector<pid_t>& pids, milliseconds time) {
  const auto deadline = Clock::now() + time;
  while (Clock::now() < deadline) {
    if (std::ranges::none_of(pids, IsAlive)) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

class ChildOfEveryKind : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Modes, ChildOfEveryKind, testing::Values("good", "json", "noise"));

TEST_P(ChildOfEveryKind, GivesTheRightRows) {
  const auto client = Started(GetParam());
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->description().name, "a test child");
  std::shared_ptr<Exchange> exchange;
  for (const size_t count : {1u, 2u, 7u, 500u, 9000u}) {
    std::vector<int32_t> ids(count);
    for (size_t i = 0; i < count; ++i) ids[i] = static_cast<int32_t>(i % 800);
    ExpectRight(Ask(*client, ids, exchange));
  }
}

TEST(ChildClient, ManyRequestsAreInFlightAndEachGetsItsOwnAnswer) {
  const auto client = Started("good");
  ASSERT_NE(client, nullptr);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(static_cast<unsigned>(t + 1));
      std::shared_ptr<Exchange> exchange;
      for (int i = 0; i < 200; ++i) {
        std::vector<int32_t> ids(1 + random() % 50);
        for (int32_t& id : ids) id = static_cast<int32_t>(random() % 800);
        ExpectRight(Ask(*client, ids, exchange));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ChildClient, AnswersInAnotherOrderFindTheirRequests) {
  const auto client = Started("reversed");
  ASSERT_NE(client, nullptr);
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] { ExpectRight(Ask(*client, {10 * t + 1, 10 * t + 2})); });
  for (std::thread& thread : threads) thread.join();
}

// What is wrong with an answer costs its own request one error, and no other one anything.
struct Fault {
  const char* name;
  int32_t id;
  ErrorCode code;
  const char* message;
  bool ends;  // The child has to be started anew.
};
constexpr Fault kFaults[] = {
    {"Dies", kDie, ErrorCode::kServiceUnavailable, "ended with exit status 9", true},
    {"Hangs", kHang, ErrorCode::kDeadlineExceeded, "has not answered after 400 ms", true},
    {"TooFewRows", kFew, ErrorCode::kInternal, "gives 3 rows of 8 values, expected 4 of 8", false},
    {"NaN", kNan, ErrorCode::kInternal, "not finite", false},
    {"WrongWidth", kWide, ErrorCode::kInternal, "4 rows of 9 values, expected 4 of 8", false},
    {"NoJson", kGarbage, ErrorCode::kInternal, "not of the protocol", true},
    {"Refuses", kRefuse, ErrorCode::kInvalidInput, "says: this token is not for me", false},
    {"TooFewBytes", kShort, ErrorCode::kInternal, "gives 12 bytes for 4 rows", false},
    {"DiesInTheAnswer", kCut, ErrorCode::kServiceUnavailable, "ended with exit status 0", true},
    {"LineWithoutEnd", kFlood, ErrorCode::kInternal, "a line is longer", true}};

class FaultyAnswer : public testing::TestWithParam<Fault> {};
INSTANTIATE_TEST_SUITE_P(Faults, FaultyAnswer, testing::ValuesIn(kFaults),
                         [](const auto& fault) { return fault.param.name; });

TEST_P(FaultyAnswer, CostsItsOwnRequestOneErrorAndNoOther) {
  const Fault& fault = GetParam();
  ClientOptions options = Options("good");
  // Only the hanging one is to be waited for; a gigabyte takes its time under a sanitizer.
  if (fault.id == kHang) options.answer_timeout = milliseconds(400);
  const auto client = Started(options);
  ASSERT_NE(client, nullptr);
  ExpectRight(Ask(*client, {1, 2, 3}));
  const Status status = Ask(*client, {fault.id, 1, 2, 3});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), fault.code) << status.error().message();
  EXPECT_NE(status.error().message().find(fault.message), std::string::npos)
      << status.error().message();
  ExpectRight(Ask(*client, {4, 5, 6}));
  EXPECT_EQ(client->counts().starts, fault.ends ? 2 : 1);
}

TEST(ChildClient, NullAmongJsonNumbersIsNotFinite) {
  const auto client = Started("json");
  ASSERT_NE(client, nullptr);
  const Status status = Ask(*client, {kNan, 1});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kInternal);
  EXPECT_NE(status.error().message().find("not finite"), std::string::npos)
      << status.error().message();
  ExpectRight(Ask(*client, {4, 5, 6}));
  EXPECT_EQ(client->counts().starts, 1);
}

TEST(ChildClient, UnknownAndDoubleAnswersAreDroppedAndCounted) {
  const BackendCounts before = CountBackends();
  const auto client = Started("good");
  ASSERT_NE(client, nullptr);
  ExpectRight(Ask(*client, {kStray, 2, 3}));
  ExpectRight(Ask(*client, {4, 5, 6}));
  EXPECT_EQ(client->counts().unknown_answers, 2);
  EXPECT_EQ(client->counts().starts, 1);
  EXPECT_EQ(CountBackends().child_unknown_answers - before.child_unknown_answers, 2);
  EXPECT_EQ(CountBackends().child_restarts, before.child_restarts);
}

TEST(ChildClient, StartThatFailsSaysWhy) {
  const auto fails = [](ClientOptions options, ErrorCode code, std::string_view message) {
    const auto client = ChildClient::Start(std::move(options));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code(), code) << client.error().message();
    EXPECT_NE(client.error().message().find(message), std::string::npos)
        << client.error().message();
  };
  ClientOptions missing = Options("good");
  missing.argv[0] = "/nowhere/python3";
  fails(missing, ErrorCode::kInvalidInput, "the interpreter '/nowhere/python3' cannot be run: No");
  fails(Options("die-at-start"), ErrorCode::kServiceUnavailable,
        "ended with exit status 1 before it had loaded the model; it printed: no module named "
        "sentence_formers");
  fails(Options("old"), ErrorCode::kInternal, "Akin speaks version 1");
  fails(Options("wrong-id"), ErrorCode::kInternal,
        "answers request 999, which there is not; load_model was request 1");
  fails(Options("wrong-id-error"), ErrorCode::kInternal, "answers request 999");
  fails(Options("no-model"), ErrorCode::kModelNotFound, "there is no model");
  ClientOptions slow = Options("hang-at-start");
  slow.start_timeout = milliseconds(300);
  fails(slow, ErrorCode::kServiceUnavailable, "has not loaded the model after 300 ms");
  ClientOptions no_child = Options("good");
  no_child.argv = {"true"};
  fails(no_child, ErrorCode::kServiceUnavailable, "ended with exit status 0 before");
}

TEST(ChildClient, DeathsInARowBackOffAndThenRefuseUntilAStartSucceeds) {
  // A copy of the child that can be taken away.
  const std::string folder = StrCat(testing::TempDir(), "akin-child-", getpid());
  const std::string script = folder + "/child.py";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(AKIN_TEST_FAKE_CHILD, script);
  ClientOptions options = Options("good");
  options.argv[3] = script;
  options.failures_until_refusal = 3;
  const auto client = Started(options);
  ASSERT_NE(client, nullptr);
  ExpectRight(Ask(*client, {1, 2}));

  std::filesystem::rename(script, script + ".away");
  EXPECT_FALSE(Ask(*client, {kDie}));
  const Status refused = Ask(*client, {1, 2});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kServiceUnavailable);
  EXPECT_NE(refused.error().message().find("cannot be kept running"), std::string::npos)
      << refused.error().message();
  EXPECT_GE(client->counts().starts, 3);

  std::filesystem::rename(script + ".away", script);
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  Status again = Ask(*client, {1, 2});
  while (!again && Clock::now() < deadline) again = Ask(*client, {1, 2});
  ExpectRight(again);
  std::filesystem::remove_all(folder);
}

TEST(ChildClient, ChildrenOfTheChildEndWithIt) {
  for (const char* mode : {"grandchild", "leak-socket"}) {
    auto client = Started(mode);
    ASSERT_NE(client, nullptr);
    const pid_t child = client->child_pid();
    const std::vector<pid_t> group = MembersOf(getpgid(child));
    EXPECT_EQ(group.size(), 3u) << "keeper, child and its own child";
    // Also when only the child itself is killed, and its own child has its socket still.
    kill(child, SIGKILL);
    ExpectRight(Ask(*client, {1, 2}) ? Status() : Ask(*client, {1, 2}));
    EXPECT_TRUE(EndsWithin(group, std::chrono::seconds(10))) << mode;
    const std::vector<pid_t> second = MembersOf(getpgid(client->child_pid()));
    client.reset();
    EXPECT_TRUE(EndsWithin(second, std::chrono::seconds(10))) << mode;
  }
}

TEST(ChildClient, EverythingEndsWhenTheOwnerIsKilled) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    // Only this thread exists here; it may do what a program that has just begun may.
    auto client = ChildClient::Start(Options("grandchild"));
    const pid_t group = client ? getpgid((*client)->child_pid()) : -1;
    (void)!write(fds[1], &group, sizeof group);
    pause();
    _exit(0);
  }
  pid_t group = -1;
  ASSERT_EQ(read(fds[0], &group, sizeof group), static_cast<ssize_t>(sizeof group));
  close(fds[0]);
  close(fds[1]);
  ASSERT_GT(group, 0);
  const std::vector<pid_t> members = MembersOf(group);
  EXPECT_EQ(members.size(), 3u);
  kill(owner, SIGKILL);
  waitpid(owner, nullptr, 0);
  // They are nobody's children now: whether init waits for them is not ours.
  const auto deadline = Clock::now() + std::chrono::seconds(10);
  const auto is_gone = [](pid_t pid) {
    std::ifstream file(StrCat("/proc/", pid, "/stat"));
    std::string line;
    return !std::getline(file, line) || line[line.rfind(')') + 2] == 'Z';
  };
  while (!std::ranges::all_of(members, is_gone) && Clock::now() < deadline)
    std::this_thread::sleep_for(milliseconds(5));
  EXPECT_TRUE(std::ranges::all_of(members, is_gone));
}

// AKIN_TEST_KILLS=1000 is the long form.
TEST(ChildClient, KilledUnderLoadItGivesNoWrongAnswerAndServesAgain) {
  const char* asked = std::getenv("AKIN_TEST_KILLS");
  const int num_kills = asked != nullptr ? std::atoi(asked) : 50;
  const auto descriptors = OpenDescriptors();
  const int children = NumChildren();
  const int64_t restarts = CountBackends().child_restarts;
  std::atomic<int64_t> right{0}, failed{0};
  std::mutex reasons_mutex;
  std::map<std::string, int> reasons;  // Guarded by reasons_mutex.
  Clock::duration longest{0};
  {
    const auto client = Started("good");
    ASSERT_NE(client, nullptr);
    std::atomic<bool> stop{false};
    std::vector<std::thread> load;
    for (int t = 0; t < 3; ++t) {
      load.emplace_back([&, t] {
        std::minstd_rand random(static_cast<unsigned>(t + 1));
        std::shared_ptr<Exchange> exchange;
        while (!stop) {
          std::vector<int32_t> ids(1 + random() % 60);
          for (int32_t& id : ids) id = static_cast<int32_t>(random() % 800);
          const Status status = Ask(*client, ids, exchange);
          if (status) {
            ++right;
          } else {
            ++failed;
            {
              const std::lock_guard lock(reasons_mutex);
              ++reasons[status.error().message()];
            }
            std::this_thread::sleep_for(milliseconds(1));  // As a client does that is no test.
            EXPECT_EQ(status.error().code(), ErrorCode::kServiceUnavailable)
                << status.error().message();
          }
        }
      });
    }
    std::minstd_rand random(7);
    for (int i = 0; i < num_kills; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
      const pid_t child = client->child_pid();
      if (child > 0) kill(child, SIGKILL);
      const auto killed = Clock::now();
      while (!Ask(*client, {1, 2, 3})) std::this_thread::sleep_for(milliseconds(1));
      longest = std::max(longest, Clock::now() - killed);
    }
    stop = true;
    for (std::thread& thread : load) thread.join();
    EXPECT_GE(client->counts().starts, num_kills / 2);
    EXPECT_EQ(CountBackends().child_restarts - restarts, client->counts().starts - 1);
    EXPECT_EQ(client->counts().wrong_answers, 0);
  }
  EXPECT_GT(right, 0);
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_EQ(NumChildren(), children);
  for (const auto& [reason, count] : reasons) std::printf("%6d times: %s\n", count, reason.c_str());
  std::printf("%d kills: %lld right answers, %lld errors; served again after at most %lld ms\n",
              num_kills, static_cast<long long>(right), static_cast<long long>(failed),
              static_cast<long long>(std::chrono::ceil<milliseconds>(longest).count()));
}

}  // namespace
}  // namespace akin::backends::python
