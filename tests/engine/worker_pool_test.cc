#include "engine/worker_pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/cpu_affinity.h"

namespace akin::engine {
namespace {

TEST(WorkerPool, AnIdlePoolJoinsTheCallerWithAllItsThreads) {
  const WorkerPool pool(4);
  std::atomic<int> sum{0}, size{0};
  pool.Run(4, [&](const TeamMember& member) {
    sum += 1 << member.rank;
    size = member.size;
  });
  EXPECT_EQ(size, 4);
  EXPECT_EQ(sum, 0b1111);
}

TEST(WorkerPool, NoMoreJoinThanAreWanted) {
  const WorkerPool pool(4);
  std::atomic<int> bodies{0};
  pool.Run(2, [&](const TeamMember& member) {
    EXPECT_EQ(member.size, 2);
    ++bodies;
  });
  EXPECT_EQ(bodies, 2);
}

// How often the other threads of this process have gone to sleep.
int64_t SleepsOfOthers() {
  int64_t sleeps = 0;
  const std::string own = std::to_string(gettid());
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == own) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      constexpr std::string_view kKey = "voluntary_ctxt_switches:";
      if (line.starts_with(kKey)) sleeps += std::stoll(line.substr(kKey.size()));
    }
  }
  return sleeps;
}

// Until they have slept `more` often than `before`, or for ten seconds.
bool SleepMoreOften(int64_t before, int64_t more) {
  for (int i = 0; i < 10'000; ++i) {
    if (SleepsOfOthers() >= before + more) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

TEST(WorkerPool, RousedWorkersWakeAndSleepAgainWhenNothingFollows) {
  const int64_t none = SleepsOfOthers();
  const WorkerPool pool(3);
  ASSERT_TRUE(SleepMoreOften(none, 2)) << "there is nothing to do";
  const int64_t asleep = SleepsOfOthers();
  pool.Rouse(2);
  EXPECT_TRUE(SleepMoreOften(asleep, 1)) << "one worker was roused";
  pool.Rouse(3);
  EXPECT_TRUE(SleepMoreOften(asleep, 3)) << "both";
  pool.Rouse(1);
  pool.Rouse(0);
}

TEST(WorkerPool, RousedOrNotEachRunHasItsTeam) {
  const WorkerPool pool(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 3000; ++round) {
        if (round % 3 != caller) pool.Rouse(1 + round % 4);
        if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
        if (round % 5 == 0) continue;
        std::atomic<int> bodies{0};
        int size = 0;
        pool.Run(3, [&](const TeamMember& member) {
          if (member.rank == 0) size = member.size;
          ++bodies;
        });
        if (bodies != size) ++wrong;
      }
    });
  }
  for (std::thread& thread : callers) thread.join();
  EXPECT_EQ(wrong, 0);
  pool.Rouse(3);  // The destructor meets them.
}

TEST(WorkerPool, APoolOfOneRunsOnTheCallersThread) {
  const WorkerPool pool(1);
  std::thread::id ran_on;
  pool.Run(8, [&](const TeamMember& member) {
    EXPECT_EQ(member.size, 1);
    ran_on = std::this_thread::get_id();
  });
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(WorkerPool, MembersSeeEachOthersWorkAfterMeeting) {
  const WorkerPool pool(4);
  for (int round = 0; round < 2000; ++round) {
    int written[4] = {};
    std::atomic<bool> wrong{false};
    pool.Run(4, [&](const TeamMember& member) {
      for (int phase = 1; phase <= 5; ++phase) {
        written[member.rank] = phase;
        member.Meet();
        for (int rank = 0; rank < member.size; ++rank) {
          if (written[rank] != phase) wrong = true;
        }
        member.Meet();
      }
    });
    ASSERT_FALSE(wrong);
  }
}

TEST(WorkerPool, NoMoreBodiesThanThreadsRunAtATimeOverAllCallers) {
  const WorkerPool pool(3);
  std::atomic<int> running{0}, most{0}, total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 8; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        pool.Run(1 + i % 3, [&](const TeamMember& member) {
          const int now = ++running;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          member.Meet();
          --running;
          ++total;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_LE(most, 3);
  EXPECT_GE(total, 8 * 200);
}

TEST(WorkerPool, SaysHowLongTheCallerWaitedForItsTeam) {
  using std::chrono::milliseconds;
  const WorkerPool pool(2);
  const TeamTimes times = pool.Run(2, [](const TeamMember& member) {
    if (member.rank == 1) std::this_thread::sleep_for(milliseconds(20));
    member.Meet();
    if (member.rank == 0) std::this_thread::sleep_for(milliseconds(10));
  });
  EXPECT_EQ(times.size, 2);
  EXPECT_GE(times.waited, milliseconds(19));  // Its first microseconds count as none.
  EXPECT_GE(times.elapsed, times.waited + milliseconds(10));
  EXPECT_EQ(pool.Run(1, [](const TeamMember&) {}).size, 1);
}

TEST(WorkerPool, PinnedWorkersHaveACpuEachThatIsNotTheCallers) {
  const std::vector<int> cpus = AllowedCpus();
  const int num_threads = static_cast<int>(cpus.size());
  if (num_threads < 2) GTEST_SKIP() << "one CPU";
  const WorkerPool pool(num_threads, cpus);
  std::thread([&] {  // A caller whose CPU is known, and another one each time.
    for (int round = 0; round < 20; ++round) {
      const int callers = cpus[static_cast<size_t>(round) % cpus.size()];
      ASSERT_TRUE(PinThisThread(callers));
      std::vector<std::vector<int>> allowed(cpus.size());
      pool.Run(num_threads, [&](const TeamMember& member) {
        ASSERT_EQ(member.size, num_threads);
        allowed[static_cast<size_t>(member.rank)] = AllowedCpus();
      });
      std::set<int> held;
      for (const std::vector<int>& cpu : allowed) {
        ASSERT_EQ(cpu.size(), 1u);
        held.insert(cpu[0]);
      }
      EXPECT_EQ(allowed[0][0], callers);
      EXPECT_EQ(held.size(), cpus.size()) << "round " << round;
    }
  })
      .join();
}

// It looks out there, and would keep the caller from reading its texts.
TEST(WorkerPool, ARousedWorkerLeavesTheCallersCpu) {
  const std::vector<int> cpus = AllowedCpus();
  if (cpus.size() < 2) GTEST_SKIP() << "one CPU";
  const WorkerPool pool(2, cpus);
  std::thread([&] {
    for (int round = 0; round < 6; ++round) {
      pid_t worker = 0;
      int held = -1;
      pool.Run(2, [&](const TeamMember& member) {
        ASSERT_EQ(member.size, 2);
        if (member.rank == 0) return;
        worker = gettid();
        held = AllowedCpus().at(0);
      });
      ASSERT_TRUE(PinThisThread(held));
      pool.Rouse(2);
      cpu_set_t allowed;
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
      do {
        std::this_thread::yield();
        CPU_ZERO(&allowed);
        ASSERT_EQ(sched_getaffinity(worker, sizeof allowed, &allowed), 0);
      } while (CPU_ISSET(held, &allowed) && std::chrono::steady_clock::now() < end);
      ASSERT_FALSE(CPU_ISSET(held, &allowed)) << "round " << round;
      EXPECT_EQ(CPU_COUNT(&allowed), 1);
    }
  }).join();
}

TEST(WorkerPool, ACallerKeepsItsFreedom) {
  const std::vector<int> cpus = AllowedCpus();
  const WorkerPool pool(static_cast<int>(cpus.size()), cpus);
  pool.Run(static_cast<int>(cpus.size()), [](const TeamMember&) {});
  EXPECT_EQ(AllowedCpus(), cpus);
}

TEST(TeamMember, SharesCoverEverythingOnce) {
  for (int size = 1; size <= 5; ++size) {
    for (size_t count = 0; count < 30; ++count) {
      size_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const auto share = TeamMember{.rank = rank, .size = size}.Share(count);
        EXPECT_EQ(share.begin, next);
        next = share.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

}  // namespace
}  // namespace akin::engine
