// Dynamic programming over the sorted sequences: the cheapest way to cut the first j is the
// cheapest way to cut the first i and one rectangle of the rest, over all i. Sorted from long to
// short, a rectangle [i, j) is as long as its first sequence.
//
//   lengths 100 12 11 10, budget 512   one rectangle: 4 x 100 = 400 (+ 16)
//                                      two: 1 x 100 + 3 x 12 = 136 (+ 32)   <-
#include "batching/rectangle_plan.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

namespace akin::batching {
namespace {

// More rows than these gain nothing, and the search would be quadratic in the number of texts.
constexpr size_t kMaxRows = 512;
// From this many rectangles a worker on, an uneven end costs too little to be evened out.
constexpr size_t kManyPerWorker = 8;

size_t Padded(size_t length, std::span<const int32_t> buckets) {
  for (const int32_t bucket : buckets) {
    if (static_cast<size_t>(bucket) >= length) return static_cast<size_t>(bucket);
  }
  return length;
}

// The lengths as padded, sorted from long to short, with where they came from.
struct Sorted {
  std::vector<uint32_t> order;
  std::vector<size_t> padded;
};

Sorted SortByLength(std::span<const int32_t> lengths, std::span<const int32_t> buckets) {
  Sorted sorted;
  for (uint32_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] > 0) sorted.order.push_back(i);
  }
  std::ranges::stable_sort(sorted.order,
                           [&](uint32_t a, uint32_t b) { return lengths[a] > lengths[b]; });
  for (const uint32_t i : sorted.order)
    sorted.padded.push_back(Padded(static_cast<size_t>(lengths[i]), buckets));
  return sorted;
}

std::vector<Batch> Cut(const Sorted& sorted, size_t budget, bool by_powers_of_two) {
  const size_t n = sorted.order.size();
  constexpr size_t kUnknown = std::numeric_limits<size_t>::max();
  std::vector<size_t> cost(n + 1, kUnknown);
  std::vector<size_t> first(n + 1, 0);  // Where the last rectangle of the cheapest cut begins.
  cost[0] = 0;
  for (size_t i = 0; i < n; ++i) {
    const size_t length = sorted.padded[i];
    size_t most_rows = std::clamp<size_t>(budget / length, 1, kMaxRows);
    if (by_powers_of_two) most_rows = std::bit_floor(most_rows);
    for (size_t rows = 1; rows <= most_rows && i + rows <= n; ++rows) {
      const size_t computed_rows = by_powers_of_two ? std::bit_ceil(rows) : rows;
      const size_t candidate = cost[i] + computed_rows * length + kRunTokens;
      if (candidate < cost[i + rows]) {
        cost[i + rows] = candidate;
        first[i + rows] = i;
      }
    }
  }
  std::vector<Batch> plan;
  for (size_t end = n; end > 0; end = first[end]) {
    plan.emplace_back(sorted.order.begin() + static_cast<ptrdiff_t>(first[end]),
                      sorted.order.begin() + static_cast<ptrdiff_t>(end));
  }
  return plan;
}

}  // namespace

std::vector<Batch> PlanRectangles(std::span<const int32_t> lengths,
                                  const RectangleOptions& options) {
  const Sorted sorted = SortByLength(lengths, options.buckets);
  std::vector<Batch> plan = Cut(sorted, options.token_budget, options.rows_by_powers_of_two);
  const size_t total = std::accumulate(sorted.padded.begin(), sorted.padded.end(), size_t{0});
  if (options.num_workers > 1 && total > options.token_budget &&
      plan.size() < kManyPerWorker * options.num_workers) {
    const size_t rounds = (plan.size() + options.num_workers - 1) / options.num_workers;
    const size_t share = total / (rounds * options.num_workers) + 1;
    if (share < options.token_budget) plan = Cut(sorted, share, options.rows_by_powers_of_two);
  }
  const auto size_of = [&](const Batch& batch) {
    return batch.size() * Padded(static_cast<size_t>(lengths[batch.front()]), options.buckets);
  };
  std::ranges::stable_sort(plan,
                           [&](const Batch& a, const Batch& b) { return size_of(a) > size_of(b); });
  return plan;
}

}  // namespace akin::batching
