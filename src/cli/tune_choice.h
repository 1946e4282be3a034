// Which of several settings `akin tune` takes, by what was measured of them.
#pragma once

#include <string>
#include <vector>

#include "cli/tune_store.h"

namespace akin::cli {

struct Candidate {
  int threads = 0, batch_tokens = 0;
  std::vector<int> shape_buckets;
  std::vector<double> texts_per_second;  // One a round.
  double Median() const;
};

// The same settings, not measured yet.
Candidate Fresh(const Candidate& candidate);

bool HaveSameSettings(const Candidate& a, const Candidate& b);

// The fastest of the candidates, unless the first one, the default, is as good. All have been
// measured in the same rounds, of which there is at least one.
const Candidate& Best(const std::vector<Candidate>& candidates);

// The best of these, with its rate and that of the first one, the default; without a date.
Tuning TuningOf(const std::vector<Candidate>& candidates);

// "best: 2 threads, batches of 512 tokens, 1.32 x the default\n"
std::string BestLine(const Tuning& tuning);

}  // namespace akin::cli
