#include "batching/batch_plan.h"

#include <algorithm>
#include <numeric>

namespace akin::batching {
namespace {

// Up to this many batches a worker the plan is evened out; from there on its end is tapered.
constexpr size_t kFewBatchesPerWorker = 8;
// The smallest batch of a tapered end is this part of the budget: smaller ones are computed more
// slowly (128 tokens by 2 %, 64 by 4 %).
constexpr size_t kTaperTo = 4;

size_t RoundUp(size_t x, size_t multiple) { return (x + multiple - 1) / multiple * multiple; }

// Tokens at which a batch is full enough.
class Fullness {
 public:
  Fullness(size_t total, const PlanOptions& options) : options_(options) {
    const size_t batches = (total + options.token_budget - 1) / options.token_budget;
    tapered_ = batches > kFewBatchesPerWorker * options.num_workers;
    const size_t even_batches = RoundUp(batches, options.num_workers);
    even_ = batches < options.num_workers || tapered_ ? options.token_budget
                                                      : (total + even_batches - 1) / even_batches;
  }

  // Of the next batch, when so many tokens are not yet in one.
  size_t Next(size_t left) const {
    if (!tapered_ || options_.num_workers == 1) return even_;
    return std::clamp(left / (2 * options_.num_workers), options_.token_budget / kTaperTo, even_);
  }

 private:
  const PlanOptions& options_;
  bool tapered_ = false;
  size_t even_ = 0;
};

}  // namespace

std::vector<Batch> PlanBatches(std::span<const int32_t> lengths, const PlanOptions& options) {
  Batch order(lengths.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return lengths[a] > lengths[b]; });
  size_t left = std::accumulate(lengths.begin(), lengths.end(), size_t{0});
  const Fullness fullness(left, options);

  std::vector<Batch> batches;
  size_t used = 0;
  size_t full = 0;
  for (const uint32_t sequence : order) {
    const size_t length = static_cast<size_t>(lengths[sequence]);
    if (length == 0) break;  // The rest too: they are sorted.
    if (batches.empty() || used + length > options.token_budget || used >= full ||
        batches.back().size() >= options.max_sequences) {
      batches.emplace_back();
      used = 0;
      full = fullness.Next(left);
    }
    batches.back().push_back(sequence);
    used += length;
    left -= length;
  }
  return batches;
}

}  // namespace akin::batching
