// Where the time of a model goes, and what the machine does at most: the facts behind the breakdown
// and the roofline of `akin bench`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embedder.h"
#include "akin/options.h"
#include "akin/result.h"

namespace akin {

// One stage of the way from ids to vectors, summed over the threads of a call.
struct StageTime {
  std::string stage;      // "attention", "feed-forward up", ...
  std::string kernel;     // What does its work: "linear", "layer_norm"; empty where no kernel does.
  int64_t calls = 0;      // Parts of batches: a stage of one layer for one batch on one thread.
  double thread_ms = 0;   // Time of all threads together.
  double operations = 0;  // A multiplication and an addition are two.
  double bytes = 0;       // Weights and activations read or written, each counted once a call.
  Precision arithmetic = Precision::kF32;  // What the operations ran in.
};

struct StageProfile {
  int num_threads = 0;
  double wall_ms = 0;             // Of the whole call.
  double tokenize_ms = 0;         // Wall time of its first part; the stages are what follows.
  std::vector<StageTime> stages;  // In the order of the way; those that took no time are left out.
};

// Embeds `texts` as Embedder::Embed does, with a clock in every thread, which costs some 30 ns for
// each of a dozen stages of a layer and batch. A backend that is not ours is one stage, "else in
// the backend", beside what surrounds it. Errors: those of Embed.
Result<StageProfile> ProfileStages(const Embedder& embedder, std::span<const std::string> texts,
                                   const EmbedOptions& options = {});

// The two sides of a roofline, of `num_threads` threads at the same time, each the best of many
// short trials.
struct MachinePeak {
  struct Arithmetic {
    Precision precision;
    double operations_per_second = 0;  // Multiply-adds on registers, counted as two.
  };
  struct ReadRate {
    std::string level;  // "L1d", "L2", "L3", "memory"
    double bytes_per_second = 0;
  };
  Isa isa = Isa::kScalar;
  int num_threads = 0;
  std::vector<Arithmetic> arithmetic;  // f32, bf16, int16, int8, if the tier multiplies in them.
  std::vector<ReadRate> read_rates;    // From the fastest to the slowest.
};

// Takes about a second. `isa` is a tier that can run here, not kAuto. Error: Internal (no memory,
// no threads).
Result<MachinePeak> MeasureMachinePeak(Isa isa, int num_threads);

}  // namespace akin
