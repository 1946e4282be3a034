#include "batching/batch_plan.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>

namespace akin::batching {
namespace {

// Up to this many batches a worker the plan is evened out; from there on its end is tapered.
constexpr size_t kFewBatchesPerWorker = 8;
// The smallest batch of a tapered end is this part of the budget: smaller ones are computed more
// slowly (128 tokens by 2 %, 64 by 4 %).
constexpr size_t kTaperTo = 4;

// Members of a team do this share of what they would do apart: they meet, and their parts differ.
// Of two threads it is 0.97 on 512 tokens and 0.9 on 128.
constexpr double kTeamEfficiency = 0.8;

size_t RoundUp(size_t x, size_t multiple) { return (x + multiple - 1) / multiple * multiple; }

// Tokens at which a batch is full enough.
class Fullness {
 public:
  Fullness(size_t total, const PlanOptions& options) : options_(options) {
    const size_t batches = (total + options.token_budget - 1) / options.token_budget;
    tapered_ = batches > kFewBatchesPerWorker * options.num_workers;
    even_ = options.token_budget;
    if (tapered_ || batches < options.num_workers) return;
    const size_t even_batches = RoundUp(batches, options.num_workers);
    even_ = (total + even_batches - 1) / even_batches;
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

size_t Sum(std::span<const size_t> values) {
  return std::accumulate(values.begin(), values.end(), size_t{0});
}

size_t CountTokens(const Batch& batch, std::span<const int32_t> lengths) {
  return std::accumulate(batch.begin(), batch.end(), size_t{0}, [&](size_t sum, uint32_t i) {
    return sum + static_cast<size_t>(lengths[i]);
  });
}

// When the last of the workers is done, if each takes the next batch when it has computed one.
size_t TimeApart(std::span<const size_t> tokens, size_t num_workers) {
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> done(
      std::greater<>(), std::vector<size_t>(num_workers, 0));
  size_t last = 0;
  for (const size_t n : tokens) {
    const size_t at = done.top() + n;
    last = std::max(last, at);
    done.pop();
    done.push(at);
  }
  return last;
}

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

size_t BatchesOfTheTeam(std::span<const Batch> plan, std::span<const int32_t> lengths,
                        size_t num_workers, size_t least_tokens) {
  const size_t num_batches = plan.size();
  if (num_workers < 2 || num_batches > kFewBatchesPerWorker * num_workers) return 0;
  std::vector<size_t> tokens;
  for (const Batch& batch : plan) tokens.push_back(CountTokens(batch, lengths));
  const auto too_small = [&](size_t n) { return n < least_tokens; };
  const auto most = static_cast<size_t>(std::ranges::find_if(tokens, too_small) - tokens.begin());

  const auto workers = static_cast<double>(num_workers);
  size_t best = 0;
  auto least_time = static_cast<double>(TimeApart(tokens, num_workers));
  // Of what the team leaves, each worker gets as many.
  for (size_t left = num_batches / num_workers * num_workers;; left -= num_workers) {
    const size_t team = std::min(num_batches - left, most);
    const auto shared = std::span(tokens).first(team), apart = std::span(tokens).subspan(team);
    const double together = static_cast<double>(Sum(shared)) / (kTeamEfficiency * workers);
    if (together + static_cast<double>(Sum(apart)) / workers >= least_time) break;
    const double time = together + static_cast<double>(TimeApart(apart, num_workers));
    if (time < least_time) {
      least_time = time;
      best = team;
    }
    if (left == 0) break;
  }
  return best;
}

}  // namespace akin::batching
