#include "akin/system.h"

#include <exception>

#include "base/cache_folder.h"
#include "base/cpu_info.h"
#include "base/data_caches.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "kernels/kernels.h"

namespace akin {
namespace {

std::string Compiler() {
#if defined(__clang__)
  return StrCat("Clang ", __clang_major__, '.', __clang_minor__, '.', __clang_patchlevel__);
#elif defined(__GNUC__)
  return StrCat("GCC ", __GNUC__, '.', __GNUC_MINOR__, '.', __GNUC_PATCHLEVEL__);
#else
  return "unknown compiler";
#endif
}

// A bad AKIN_ISA or AKIN_THREADS is an error of Load; here it is a fact to show.
void DescribeIsa(SystemInfo& system) {
  system.isas = kernels::ListIsas();
  if (auto choice = kernels::ChooseIsa(Isa::kAuto)) {
    system.chosen_isa = choice->isa;
    system.chosen_isa_reason = choice->reason;
  } else {
    system.chosen_isa_reason = choice.error().message();
  }
}

void DescribeThreads(SystemInfo& system) {
  const Result<UsableThreads> threads = CountUsableThreads();
  if (threads) {
    system.threads = {threads->count, threads->source};
  } else {
    system.threads = {CountMachineThreads().count, threads.error().message()};
  }
}

}  // namespace

SystemInfo DescribeSystem() try {
  SystemInfo system;
  system.cpu = GetCpuInfo().name;
  system.features = GetCpuInfo().features;
  system.caches = ListDataCaches();
  DescribeIsa(system);
  DescribeThreads(system);
  system.memory_limit_bytes = MemoryLimitBytes();
  system.cache_folder = CacheFolder();
  system.version = Version();
  system.compiler = Compiler();
  return system;
} catch (const std::exception&) {
  return {.chosen_isa_reason = "out of memory"};  // Short enough to need none.
}

std::string_view Version() { return AKIN_VERSION; }

}  // namespace akin
