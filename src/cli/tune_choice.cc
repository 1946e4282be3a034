#include "cli/tune_choice.h"

#include <algorithm>

#include "cli/bench_measure.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

// Something else than the default has to be faster by this, and in most rounds, to be worth a file.
constexpr double kWorthwhile = 1.02;
constexpr double kMostRounds = 0.75;
// Fewer threads make a single text slower, and seem faster where another program has taken a core
// for a while: each of so many rounds has to be faster than the fastest one of the default.
constexpr size_t kRoundsForFewerThreads = 4;

}  // namespace

double Candidate::Median() const { return SpreadOf(texts_per_second).median; }

Candidate Fresh(const Candidate& candidate) {
  return {candidate.threads, candidate.batch_tokens, candidate.shape_buckets, {}};
}

bool HaveSameSettings(const Candidate& a, const Candidate& b) {
  return a.threads == b.threads && a.batch_tokens == b.batch_tokens &&
         a.shape_buckets == b.shape_buckets;
}

const Candidate& Best(const std::vector<Candidate>& candidates) {
  const Candidate& usual = candidates.front();
  const Candidate& best = *std::ranges::max_element(candidates, {}, &Candidate::Median);
  size_t wins = 0;
  for (size_t r = 0; r < best.texts_per_second.size(); ++r)
    wins += best.texts_per_second[r] > usual.texts_per_second[r] ? 1 : 0;
  const auto rounds = static_cast<double>(best.texts_per_second.size());
  const bool clear = best.Median() >= kWorthwhile * usual.Median() &&
                     static_cast<double>(wins) >= kMostRounds * rounds;
  if (best.threads < usual.threads) {
    const bool always =
        best.texts_per_second.size() >= kRoundsForFewerThreads &&
        std::ranges::min(best.texts_per_second) > std::ranges::max(usual.texts_per_second);
    return clear && always ? best : usual;
  }
  return clear ? best : usual;
}

Tuning TuningOf(const std::vector<Candidate>& candidates) {
  const Candidate& best = Best(candidates);
  return {.threads = best.threads,
          .batch_tokens = best.batch_tokens,
          .shape_buckets = best.shape_buckets,
          .texts_per_second = best.Median(),
          .default_texts_per_second = candidates.front().Median()};
}

std::string BestLine(const Tuning& tuning) {
  const double gain = tuning.texts_per_second / tuning.default_texts_per_second;
  return StrCat("best: ", Described(tuning), ", ", Fixed(gain, 2), " x the default\n");
}

}  // namespace akin::cli
