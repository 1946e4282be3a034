#include "base/thread_count.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <vector>

#include "base/cpu_affinity.h"
#include "base/strings.h"

namespace akin {
namespace {

// The cgroup folders of this process for one controller, its own first, then its ancestors. A limit
// of any of them holds.
struct CgroupChain {
  bool v2 = false;
  std::vector<std::string> folders;  // As the process sees them, without `root`.
  std::string mount_point;
};

// Small files of /proc and /sys only; empty when there is none.
std::string ReadFile(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{1} << 20;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char buffer[4096];
  while (text.size() < kMaxBytes && (file.read(buffer, sizeof buffer), file.gcount() > 0)) {
    text.append(buffer, static_cast<size_t>(file.gcount()));
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool Contains(const std::vector<std::string>& list, const std::string& item) {
  return std::ranges::find(list, item) != list.end();
}

// "/a/b" below the mount of "/a" is "/b"; a path outside of the mount is the mount itself: the
// process was put there from outside of its cgroup namespace.
std::string PathBelow(const std::string& path, const std::string& mount_root) {
  if (path.find("..") != std::string::npos) return "";
  if (mount_root == "/") return path == "/" ? "" : path;
  if (path.rfind(mount_root, 0) != 0) return "";
  const std::string rest = path.substr(mount_root.size());
  return rest.empty() || rest[0] == '/' ? rest : "";
}

// /proc/self/cgroup, lines "4:cpu,cpuacct:/path" (v1) and "0::/path" (v2).
std::optional<std::string> CgroupPath(const std::string& root, const std::string& controller) {
  for (const std::string& line : Split(ReadFile(root + "/proc/self/cgroup"), '\n')) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    const bool matches =
        controller.empty() ? names.empty() : Contains(Split(names, ','), controller);
    if (matches) return line.substr(second + 1);
  }
  return std::nullopt;
}

// /proc/self/mountinfo, lines "31 23 0:28 ROOT MOUNT_POINT OPTIONS [tags] - TYPE SOURCE
// SUPER_OPTIONS" (proc(5)); the controller of a v1 mount is one of its super options.
std::optional<CgroupChain> FindChain(const std::string& root, const std::string& controller) {
  const std::optional<std::string> path = CgroupPath(root, controller);
  if (!path) return std::nullopt;
  for (const std::string& line : Split(ReadFile(root + "/proc/self/mountinfo"), '\n')) {
    const std::vector<std::string> fields = Split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const bool v2 = dash[1] == "cgroup2";
    if (controller.empty() ? !v2
                           : dash[1] != "cgroup" || !Contains(Split(dash[3], ','), controller)) {
      continue;
    }
    CgroupChain chain{v2, {}, fields[4]};
    for (std::string below = PathBelow(*path, fields[3]); !below.empty();
         below.resize(below.rfind('/'))) {
      if (below[0] != '/') break;
      chain.folders.push_back(fields[4] + below);
    }
    chain.folders.push_back(fields[4]);
    return chain;
  }
  return std::nullopt;
}

// The controller's own v1 hierarchy, and the unified one: in the hybrid layout only one of them has
// the controller, and the files of the other are missing.
std::vector<CgroupChain> FindChains(const std::string& root, const std::string& controller) {
  std::vector<CgroupChain> chains;
  if (auto v1 = FindChain(root, controller)) chains.push_back(std::move(*v1));
  if (auto v2 = FindChain(root, "")) chains.push_back(std::move(*v2));
  return chains;
}

// Cores granted by one cgroup, if it has a quota.
std::optional<double> QuotaOf(const std::string& folder, bool v2) {
  std::optional<double> quota, period;
  if (v2) {  // "150000 100000" or "max 100000"
    const std::vector<std::string> words = Split(ReadFile(folder + "/cpu.max"), ' ');
    if (words.size() != 2) return std::nullopt;
    quota = ParseNumber<double>(words[0]);
    period = ParseNumber<double>(words[1]);
  } else {  // -1: no quota
    quota = ParseNumber<double>(ReadFile(folder + "/cpu.cfs_quota_us"));
    period = ParseNumber<double>(ReadFile(folder + "/cpu.cfs_period_us"));
  }
  if (!quota || !period || !(*quota > 0) || !(*period > 0)) return std::nullopt;
  return *quota / *period;
}

// The folder as the cgroup's name: "/kubepods/pod1", "/" for the top of the mount.
std::string NameOf(const CgroupChain& chain, const std::string& folder) {
  const std::string name = folder.substr(chain.mount_point.size());
  return name.empty() ? "/" : name;
}

// 1.5 as "1.5", 2 as "2".
std::string ShortNumber(double value) {
  std::ostringstream out;
  out.precision(4);
  out << value;
  return out.str();
}

void Lower(UsableThreads& threads, int count, std::string source) {
  if (count >= 1 && count < threads.count) threads = {count, std::move(source)};
}

void ApplyQuotas(const std::string& root, UsableThreads& threads) {
  for (const CgroupChain& chain : FindChains(root, "cpu")) {
    for (const std::string& folder : chain.folders) {
      const std::optional<double> cores = QuotaOf(root + folder, chain.v2);
      if (!cores) continue;
      Lower(threads, ThreadsForQuota(*cores),
            StrCat("cgroup quota of ", ShortNumber(*cores), *cores == 1 ? " core (" : " cores (",
                   NameOf(chain, folder), ')'));
    }
  }
}

void ApplyCpusets(const std::string& root, UsableThreads& threads) {
  for (const CgroupChain& chain : FindChains(root, "cpuset")) {
    for (const std::string& folder : chain.folders) {
      for (const char* file :
           {"/cpuset.cpus.effective", "/cpuset.effective_cpus", "/cpuset.cpus"}) {
        const std::string list = ReadFile(root + folder + file);
        if (list.empty()) continue;
        Lower(threads, CountCpuList(list),
              StrCat("cgroup cpuset ", list.substr(0, 60), " (", NameOf(chain, folder), ')'));
      }
    }
  }
}

int AffinityCount() {
  if (const size_t count = AllowedCpus().size(); count > 0) return static_cast<int>(count);
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<int>(std::min(online, long{kMaxThreads})) : 1;
}

std::optional<int64_t> MachineMemory(const std::string& root) {
  std::istringstream words(ReadFile(root + "/proc/meminfo"));  // "MemTotal:  24684028 kB ..."
  std::string name;
  int64_t kib = 0;
  if (!(words >> name >> kib) || name != "MemTotal:" || kib <= 0) return std::nullopt;
  if (kib > std::numeric_limits<int64_t>::max() / 1024) return std::nullopt;
  return kib * 1024;
}

}  // namespace

int ThreadsForQuota(double cores) {
  // A quota of 2.0001 is 2 written by somebody's division.
  const double rounded = std::ceil(cores - 0.01);
  return static_cast<int>(std::clamp(rounded, 1.0, double{kMaxThreads}));
}

int CountCpuList(std::string_view list) {
  constexpr int kMaxCpu = 1 << 20;
  int count = 0;
  for (const std::string& item : Split(std::string(list), ',')) {
    const size_t dash = item.find('-');
    const auto first = ParseNumber<int>(std::string_view(item).substr(0, dash));
    const auto last = dash == std::string::npos
                          ? first
                          : ParseNumber<int>(std::string_view(item).substr(dash + 1));
    if (!first || !last || *first < 0 || *last < *first || *last > kMaxCpu) return -1;
    count += *last - *first + 1;
    if (count > kMaxCpu) return -1;
  }
  return count > 0 ? count : -1;
}

UsableThreads CountThreadsIn(const std::string& root, int affinity) {
  UsableThreads threads{std::clamp(affinity, 1, kMaxThreads), "CPUs in the affinity mask"};
  ApplyCpusets(root, threads);
  ApplyQuotas(root, threads);
  return threads;
}

int64_t MemoryLimitIn(const std::string& root) {
  int64_t limit = MachineMemory(root).value_or(0);
  for (const CgroupChain& chain : FindChains(root, "memory")) {
    for (const std::string& folder : chain.folders) {
      const char* file = chain.v2 ? "/memory.max" : "/memory.limit_in_bytes";  // "max": no limit
      const auto bytes = ParseNumber<int64_t>(ReadFile(root + folder + file));
      // The "no limit" of v1 is a number near 2^63.
      constexpr int64_t kNoLimit = int64_t{1} << 60;
      if (bytes && *bytes > 0 && *bytes < kNoLimit && (limit == 0 || *bytes < limit)) {
        limit = *bytes;
      }
    }
  }
  return limit;
}

UsableThreads CountMachineThreads() { return CountThreadsIn("", AffinityCount()); }

int64_t MemoryLimitBytes() { return MemoryLimitIn(""); }

Result<int> ParseThreadCount(std::string_view text) {
  const auto count = ParseNumber<int>(text);
  if (!count || *count < 0 || *count > kMaxThreads) {
    return InvalidInput("AKIN_THREADS is '", text, "', expected a whole number from 0 to ",
                        kMaxThreads, "; 0 is as if it were not set");
  }
  return *count;
}

Result<UsableThreads> CountUsableThreads() {
  const char* value = std::getenv("AKIN_THREADS");
  if (value == nullptr || *value == '\0') return CountMachineThreads();
  AKIN_TRY_ASSIGN(const int count, ParseThreadCount(value));
  if (count == 0) return CountMachineThreads();
  return UsableThreads{count, "AKIN_THREADS"};
}

}  // namespace akin
