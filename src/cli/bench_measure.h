// The measurements of `akin bench`. Everything that is compared is interleaved: a slow second of
// the machine falls on all settings alike.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embedder.h"
#include "akin/result.h"
#include "akin/tokenizer.h"

#include "cli/bench_report.h"

namespace akin::cli {

// How much is measured.
struct BenchPlan {
  int rounds = 3;
  int calls = 200;                   // With one text, a length; fewer when the time is up.
  double seconds_per_length = 0.15;  // The time for a length, in one round.
  int warmup = 20;                   // Calls before each length.
  std::vector<int> lengths = {5, 16, 32, 64, 128, 256, 512};
  bool latencies = true;
};

// Says what is being measured; see StatusLine.
using Say = std::function<void(std::string_view)>;

// Texts that have at least `tokens` tokens, and hardly more, made of the built-in ones: cut to
// `tokens` they have exactly as many. Error: the model's tokenizer cannot be read.
Result<std::vector<std::string>> TextsOfLength(const Tokenizer& tokenizer, int tokens,
                                               size_t count);

// One of report.settings for each of `embedders`, without figures.
void AddSettings(std::span<const Embedder> embedders, BenchReport& report);

// Fills in the latencies and the throughput of report.settings, one for each of `embedders`.
Status MeasureSettings(std::span<const Embedder> embedders, std::span<const std::string> texts,
                       const EmbedOptions& options, const BenchPlan& plan, const Say& say,
                       BenchReport& report);

// What is timed is right: finite, of length 1 where that is promised, the same alone as in a batch.
Status CheckVectors(const Embedder& embedder, std::span<const std::string> texts,
                    const EmbedOptions& options, BenchReport& report);

// Compares the vectors of a lower precision with those of f32, text by text and as a search index.
Result<Quality> CompareVectors(const Embeddings& f32, const Embeddings& other);

}  // namespace akin::cli
