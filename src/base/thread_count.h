// How many threads can really run here. In a container the host's core count is the wrong number:
// a quota of 1.5 cores on a host of 96 makes 96 threads slower than 2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin {

struct UsableThreads {
  int count = 1;       // At least 1.
  std::string source;  // What set it: "cgroup quota of 1.5 cores (/kubepods/pod1)".
};

// The least of the affinity mask, the cpuset and the CPU quota of every cgroup from this process's
// own up to the root, or AKIN_THREADS from the environment when that is set.
// Error: InvalidInput when AKIN_THREADS is not a whole number from 0 (as if it were not set) to
// kMaxThreads.
Result<UsableThreads> CountUsableThreads();

// As above without AKIN_THREADS; cannot fail.
UsableThreads CountMachineThreads();

inline constexpr int kMaxThreads = 1024;
Result<int> ParseThreadCount(std::string_view text);

// The least of the memory limits of the cgroups and the machine's memory, in bytes; 0 if unknown.
int64_t MemoryLimitBytes();

// The logic on a given file system: `root` stands in front of /proc and /sys, so that tests state a
// container as a folder of files. `affinity` is the number of CPUs in the affinity mask.
UsableThreads CountThreadsIn(const std::string& root, int affinity);
int64_t MemoryLimitIn(const std::string& root);

// CPUs in a list as the kernel prints it: "0-3,8,10-11" has 7; -1 when it is not such a list.
int CountCpuList(std::string_view list);

// Threads for a quota in CPU time per period: rounded up, because a thread too few leaves a part of
// the quota unused for good, while one too many only shares it.
int ThreadsForQuota(double cores);

}  // namespace akin
