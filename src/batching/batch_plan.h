// Which texts of a call are computed together. Pure logic: no threads, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace akin::batching {

struct PlanOptions {
  size_t token_budget = 0;  // Most tokens in a batch; a longer sequence is a batch of its own.
  size_t num_workers = 1;   // Threads that take batches from the plan.
  size_t max_sequences = SIZE_MAX;  // Most sequences in a batch.
};

// Indices of the sequences of each batch.
using Batch = std::vector<uint32_t>;

// Packs sequences of `lengths` tokens into batches of at most the token budget, longest first, so
// that the last batches to be taken are the quick ones. A plan of few batches is evened out: as
// many batches as the workers can share equally, each of about the same number of tokens. A plan of
// many ends with smaller and smaller batches, so that no worker computes long after the others have
// run out of them (guided self-scheduling: Polychronopoulos and Kuck, 1987).
std::vector<Batch> PlanBatches(std::span<const int32_t> lengths, const PlanOptions& options);

// How many of the first batches of a plan the workers do best to compute together, one after the
// other, before they take the rest apart: those that would keep some of them waiting at the end.
// Only batches of at least `least_tokens` are worth a team.
//
//   2 workers, batches of   512 512 512        1: two of them apart leave a third
//                           512 512            0
//                           512 100 100        1: apart the first alone decides
size_t BatchesOfTheTeam(std::span<const Batch> plan, std::span<const int32_t> lengths,
                        size_t num_workers, size_t least_tokens);

}  // namespace akin::batching
