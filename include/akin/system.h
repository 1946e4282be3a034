// What Akin sees of the machine and of the models on it: the facts behind `akin doctor`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/options.h"
#include "akin/result.h"

namespace akin {

// One instruction-set level, and why it can or cannot be used here.
struct IsaStatus {
  Isa isa;
  bool usable = false;
  std::string
      reason;  // "CPU lacks avx512f", "the operating system does not save its registers", ...
};

struct ThreadCount {
  int count = 1;
  std::string source;  // Where the number came from: "cgroup quota 1.5 cores", "affinity mask", ...
};

// One level of the caches in front of the memory.
struct DataCache {
  std::string name;  // "L1d", "L2", "L3"
  int64_t bytes = 0;
  int num_cpus = 1;  // That share it.
};

struct SystemInfo {
  std::string cpu;  // "AMD EPYC 9354"
  std::vector<std::string>
      features;                 // Those that matter to Akin: "avx2", "avx512f", "amx_bf16", ...
  std::vector<IsaStatus> isas;  // Lowest first.
  Isa chosen_isa = Isa::kScalar;
  std::string chosen_isa_reason;
  std::vector<DataCache> caches;  // Nearest first; empty where the system does not say.
  ThreadCount threads;
  int64_t memory_limit_bytes = 0;  // Of the cgroup or the machine, whichever is less; 0 if unknown.
  // Where Akin keeps what it can make or fetch again: $AKIN_CACHE, or else akin in $XDG_CACHE_HOME
  // or ~/.cache. Empty when none of these is set. It need not exist.
  std::string cache_folder;
  std::string version;  // Akin's own.
  std::string compiler;
};

// Out of memory, nothing is known.
SystemInfo DescribeSystem();

// A place where models are looked for by name, in order.
struct ModelLocation {
  std::string path;
  bool exists = false;
  std::vector<std::string> models;  // Names of the complete model folders in it.
};

// Out of memory, there are none.
std::vector<ModelLocation> ListModelLocations();

// The folder of `model`, a path or a name as for Embedder::Load. Error: ModelNotFound, with the
// places looked at.
Result<std::string> FindModel(std::string_view model);

// A plug-in by itself (akin/plugin.h), without a model.
struct PluginInfo {
  std::string path;
  std::string name;     // "candle"
  std::string version;  // Its own.
  // That it has: names and descriptions.
  std::vector<std::pair<std::string, std::string>> options;
};

// Errors: InvalidInput (no plug-in), UnsupportedModel (made for another version of the interface).
Result<PluginInfo> DescribePlugin(const std::string& path);

// The model that is used when none is named.
inline constexpr std::string_view kDefaultModel = "all-MiniLM-L6-v2";

// "0.1.0"
std::string_view Version();

}  // namespace akin
