#include "batching/batch_plan.h"

#include <algorithm>
#include <numeric>

namespace akin::batching {
namespace {

// From this many batches a worker on, an uneven end costs too little to make batches smaller for
// it.
constexpr size_t kManyBatchesPerWorker = 8;

size_t RoundUp(size_t x, size_t multiple) { return (x + multiple - 1) / multiple * multiple; }

// Tokens at which a batch is full enough, so that the batches come out even; the budget itself
// where it does not matter.
size_t EvenShare(size_t total, const PlanOptions& options) {
  const size_t batches = (total + options.token_budget - 1) / options.token_budget;
  if (batches < options.num_workers || batches > kManyBatchesPerWorker * options.num_workers) {
    return options.token_budget;
  }
  const size_t even_batches = RoundUp(batches, options.num_workers);
  return (total + even_batches - 1) / even_batches;
}

}  // namespace

std::vector<Batch> PlanBatches(std::span<const int32_t> lengths, const PlanOptions& options) {
  Batch order(lengths.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return lengths[a] > lengths[b]; });
  const size_t total = std::accumulate(lengths.begin(), lengths.end(), size_t{0});
  const size_t share = EvenShare(total, options);

  std::vector<Batch> batches;
  size_t used = 0;
  for (const uint32_t sequence : order) {
    const size_t length = static_cast<size_t>(lengths[sequence]);
    if (length == 0) break;  // The rest too: they are sorted.
    if (batches.empty() || used + length > options.token_budget || used >= share ||
        batches.back().size() >= options.max_sequences) {
      batches.emplace_back();
      used = 0;
    }
    batches.back().push_back(sequence);
    used += length;
  }
  return batches;
}

}  // namespace akin::batching
