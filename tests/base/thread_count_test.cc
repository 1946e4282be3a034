#include "base/thread_count.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace akin {
namespace {

// A container as a folder of files.
class FakeSystem {
 public:
  FakeSystem() {
    std::string name = testing::TempDir() + "akin_threads_XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~FakeSystem() { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  // The unified hierarchy, as most systems have it now.
  void MountV2(const std::string& own_path, const std::string& mount_root = "/") const {
    Write("/proc/self/cgroup", "0::" + own_path + "\n");
    Write("/proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/root rw\n31 20 0:28 " + mount_root +
                                      " /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
  }
  void MountV1(const std::string& own_path, const std::string& mount_root) const {
    Write("/proc/self/cgroup",
          "7:memory:" + own_path + "\n4:cpu,cpuacct:" + own_path + "\n3:cpuset:" + own_path + "\n");
    Write("/proc/self/mountinfo",
          "31 20 0:28 " + mount_root +
              " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" + "32 20 0:29 " +
              mount_root + " /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n" + "33 20 0:30 " +
              mount_root + " /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  }
  UsableThreads Threads(int affinity) const { return CountThreadsIn(root_, affinity); }
  int64_t Memory() const { return MemoryLimitIn(root_); }

 private:
  std::string root_;
};

TEST(ThreadCount, WithoutCgroupsTheAffinityMaskDecides) {
  const UsableThreads threads = FakeSystem().Threads(6);
  EXPECT_EQ(threads.count, 6);
  EXPECT_EQ(threads.source, "CPUs in the affinity mask");
}

TEST(ThreadCount, QuotaOfAnAncestorHolds) {
  FakeSystem system;
  system.MountV2("/pods/one/leaf");
  system.Write("/sys/fs/cgroup/pods/one/leaf/cpu.max", "max 100000\n");
  system.Write("/sys/fs/cgroup/pods/one/cpu.max", "800000 100000\n");
  system.Write("/sys/fs/cgroup/pods/cpu.max", "300000 100000\n");
  const UsableThreads threads = system.Threads(96);
  EXPECT_EQ(threads.count, 3);
  EXPECT_EQ(threads.source, "cgroup quota of 3 cores (/pods)");
}

TEST(ThreadCount, FractionalQuotaIsRoundedUpAndNeverBelowOne) {
  EXPECT_EQ(ThreadsForQuota(0.1), 1);
  EXPECT_EQ(ThreadsForQuota(1.0), 1);
  EXPECT_EQ(ThreadsForQuota(1.5), 2);
  EXPECT_EQ(ThreadsForQuota(2.0001), 2);
  EXPECT_EQ(ThreadsForQuota(1e300), kMaxThreads);
}

TEST(ThreadCount, QuotaAboveTheAffinityMaskChangesNothing) {
  FakeSystem system;
  system.MountV2("/");
  system.Write("/sys/fs/cgroup/cpu.max", "800000 100000");
  EXPECT_EQ(system.Threads(2).source, "CPUs in the affinity mask");
}

TEST(ThreadCount, ContainerWithoutItsOwnNamespaceFindsItsQuotaAtTheMount) {
  FakeSystem system;
  system.MountV1("/docker/abc", "/docker/abc");
  system.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n");
  system.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const UsableThreads threads = system.Threads(8);
  EXPECT_EQ(threads.count, 2);
  EXPECT_EQ(threads.source, "cgroup quota of 1.5 cores (/)");
}

TEST(ThreadCount, UnlimitedQuotaOfVersion1IsMinusOne) {
  FakeSystem system;
  system.MountV1("/a", "/");
  system.Write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1");
  system.Write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000");
  EXPECT_EQ(system.Threads(8).count, 8);
}

TEST(ThreadCount, CpusetLimits) {
  FakeSystem system;
  system.MountV1("/a/b", "/");
  system.Write("/sys/fs/cgroup/cpuset/a/b/cpuset.cpus", "0-2,7\n");
  const UsableThreads threads = system.Threads(8);
  EXPECT_EQ(threads.count, 4);
  EXPECT_EQ(threads.source, "cgroup cpuset 0-2,7 (/a/b)");
}

TEST(ThreadCount, GarbageInTheFilesIsNoLimit) {
  for (const char* text :
       {"", "max", "1 2 3", "x y", "-5 100000", "100000 0", "nan nan", "inf 1"}) {
    FakeSystem system;
    system.MountV2("/../../etc");
    system.Write("/sys/fs/cgroup/cpu.max", text);
    system.Write("/sys/fs/cgroup/cpuset.cpus.effective", "3-1");
    EXPECT_EQ(system.Threads(5).count, 5) << text;
  }
  FakeSystem system;
  system.Write("/proc/self/cgroup", "0::\n:::\n0::relative\n");
  system.Write("/proc/self/mountinfo", "- - - -\n31 20 0:28 / /sys rw - cgroup2\nx\n");
  EXPECT_EQ(system.Threads(5).count, 5);
}

TEST(ThreadCount, CpuListsAreCountedAsTheKernelPrintsThem) {
  EXPECT_EQ(CountCpuList("0-3,8,10-11"), 7);
  EXPECT_EQ(CountCpuList("5"), 1);
  for (const char* list : {"", "a", "3-1", "1-", "-1", "0-99999999999", "0-2000000000"}) {
    EXPECT_EQ(CountCpuList(list), -1) << list;
  }
}

TEST(ThreadCount, EnvironmentOverridesTheMachine) {
  setenv("AKIN_THREADS", "7", 1);
  const Result<UsableThreads> threads = CountUsableThreads();
  ASSERT_TRUE(threads);
  EXPECT_EQ(threads->count, 7);
  EXPECT_EQ(threads->source, "AKIN_THREADS");
  setenv("AKIN_THREADS", "0", 1);
  EXPECT_EQ(CountUsableThreads()->source, CountMachineThreads().source);
  EXPECT_EQ(CountUsableThreads()->count, CountMachineThreads().count);
  for (const char* bad : {"-1", "two", "1.5", "1025", " 2", "99999999999999999999"}) {
    setenv("AKIN_THREADS", bad, 1);
    const Result<UsableThreads> result = CountUsableThreads();
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidInput);
    EXPECT_NE(result.error().message().find(bad), std::string::npos);
  }
  unsetenv("AKIN_THREADS");
  EXPECT_GE(CountUsableThreads()->count, 1);
}

TEST(MemoryLimit, LeastOfMachineAndCgroupsHolds) {
  FakeSystem system;
  EXPECT_EQ(system.Memory(), 0);
  system.Write("/proc/meminfo", "MemTotal:       1024 kB\nMemFree: 1 kB\n");
  system.MountV2("/a");
  system.Write("/sys/fs/cgroup/a/memory.max", "max\n");
  EXPECT_EQ(system.Memory(), 1 << 20);
  system.Write("/sys/fs/cgroup/memory.max", "4096\n");
  EXPECT_EQ(system.Memory(), 4096);
}

TEST(MemoryLimit, HugeNumberOfVersion1MeansNoLimit) {
  FakeSystem system;
  system.MountV1("/a", "/");
  system.Write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(system.Memory(), 0);
}

}  // namespace
}  // namespace akin
