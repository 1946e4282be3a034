#include "base/cpu_affinity.h"

#include <sched.h>

#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/strings.h"

namespace akin {
namespace {

struct CpuSetDeleter {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using CpuSet = std::unique_ptr<cpu_set_t, CpuSetDeleter>;

}  // namespace

std::vector<int> AllowedCpus() {
  // The kernel refuses a set that is smaller than its own, whose size nothing else tells.
  for (int size = 1024; size <= 1 << 20; size *= 2) {
    const CpuSet set(CPU_ALLOC(size));
    const size_t bytes = CPU_ALLOC_SIZE(size);
    if (set == nullptr) break;
    if (sched_getaffinity(0, bytes, set.get()) != 0) continue;
    std::vector<int> cpus;
    for (int cpu = 0; cpu < size; ++cpu) {
      if (CPU_ISSET_S(static_cast<size_t>(cpu), bytes, set.get())) cpus.push_back(cpu);
    }
    return cpus;
  }
  return {};
}

int CurrentCpu() { return sched_getcpu(); }

bool PinThisThread(int cpu) {
  if (cpu < 0) return false;
  const CpuSet set(CPU_ALLOC(cpu + 1));
  if (set == nullptr) return false;
  const size_t bytes = CPU_ALLOC_SIZE(cpu + 1);
  CPU_ZERO_S(bytes, set.get());
  CPU_SET_S(static_cast<size_t>(cpu), bytes, set.get());
  return sched_setaffinity(0, bytes, set.get()) == 0;
}

Result<bool> WantsPinnedThreads() {
  const char* value = std::getenv("AKIN_PIN_THREADS");
  if (value == nullptr || *value == '\0') return false;
  const std::string_view text = value;
  if (text != "0" && text != "1")
    return InvalidInput("AKIN_PIN_THREADS is '", text, "', expected 0 or 1");
  return text == "1";
}

}  // namespace akin
