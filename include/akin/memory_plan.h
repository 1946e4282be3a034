// What a model will hold of memory, known before it is loaded: the facts behind `akin plan`.
//
//   AKIN_TRY_ASSIGN(auto plan, akin::PlanMemory("all-MiniLM-L6-v2", {.num_threads = 4}));
//   plan.precisions[0].peak_bytes;
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/options.h"
#include "akin/result.h"

namespace akin {

// Whether other processes that run the same model have the same pages of its weights.
enum class WeightSharing {
  kPrivate,
  kShared,      // They map the same entry of Akin's cache.
  kSharedNext,  // Packed into memory of its own now, and kept for the next process.
};
std::string_view WeightSharingName(WeightSharing sharing);  // "private", "shared", "shared_next"

// In bytes, at most, unless it says otherwise.
struct MemoryPlan {
  struct OfPrecision {
    Precision precision = Precision::kF32;  // As asked for,
    Precision runs_in = Precision::kF32;    // and what that is on this tier: perhaps f32.
    int64_t weight_bytes = 0;               // Of all matrix products, as packed for them: exact.
    WeightSharing sharing = WeightSharing::kPrivate;
    int64_t table_bytes = 0;      // Embeddings of positions and words, norms, heads.
    int64_t workspace_bytes = 0;  // That the engine allocates for each worker: exact.
    int64_t worker_bytes = 0;     // What of that is in memory, with all else that a worker has.
    int64_t loading_bytes = 0;    // Besides weights and tables, while it is loaded.
    int64_t peak_bytes = 0;       // Of the process: the most of loading and of computing.
  };

  std::string model, path, architecture, backend, isa;
  int num_threads = 0;  // Workers.
  int batch_tokens = 0;
  int max_tokens = 0;         // Of the longest text: a batch holds it or `batch_tokens`.
  int64_t program_bytes = 0;  // Program, libraries and heap of a process without a model.
  int64_t tokenizer_bytes = 0;
  int64_t tokenizer_loading_bytes = 0;  // The most while it was loaded.
  bool tokenizer_is_measured = false;   // It was loaded to see; else estimated by its file's size.
  std::vector<OfPrecision> precisions;
  // Of Precision::kAuto: what it takes, where an earlier load has found that out. Else the first
  // load measures candidates beside f32, which takes so much.
  std::optional<Precision> auto_takes;
  int64_t auto_peak_bytes = 0;
};

struct PlanOptions {
  int max_tokens = 0;  // Longer texts are cut; 0: the model's limit.
};

// In load.precision, or for kAuto in every one that the native backend has. Reads configurations,
// headers of files and the tokenizer, no weights. Errors: those of Embedder::Load that are found so
// far; UnsupportedModel, of a backend whose memory is not known beforehand.
Result<MemoryPlan> PlanMemory(std::string_view model, const LoadOptions& load = {},
                              const PlanOptions& options = {});

}  // namespace akin
