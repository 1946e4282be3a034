// Which texts are padded to one another. Pure logic: no threads, no clock.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "batching/batch_plan.h"

namespace akin::batching {

struct RectangleOptions {
  size_t token_budget = 0;           // Most tokens in a rectangle, padding included; a longer
                                     // sequence is a rectangle of its own.
  size_t num_workers = 1;            // Threads that take rectangles from the plan.
  std::span<const int32_t> buckets;  // Lengths that are padded to, rising; empty: any. Longer
                                     // sequences are padded to nothing.
  // Rectangles are filled up to a power of two of rows: of shapes there are few then.
  bool rows_by_powers_of_two = false;
};

// The rectangles that compute sequences of `lengths` tokens, the largest first: of all ways to cut
// the sequences, sorted by length, into runs, the one that computes the fewest tokens, with
// kRunTokens counted for each run. A plan of few rectangles is evened out over the workers.
std::vector<Batch> PlanRectangles(std::span<const int32_t> lengths,
                                  const RectangleOptions& options);

// What a run costs besides its tokens, in tokens: the graph's small operators, some hundred
// microseconds.
inline constexpr size_t kRunTokens = 16;

}  // namespace akin::batching
