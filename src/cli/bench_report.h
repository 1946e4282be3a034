// What `akin bench` found out, and its forms for people and programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embedder.h"
#include "akin/profile.h"

namespace akin::cli {

// A figure measured in several rounds: the median round, the least and the greatest.
struct Spread {
  double median = 0, least = 0, most = 0;
};
Spread SpreadOf(std::vector<double> rounds);  // Not empty.

// Single texts of one length.
struct LengthLatency {
  int tokens = 0;
  int64_t calls = 0;
  Spread p50_ms;                         // Over the rounds.
  std::optional<double> p95_ms, p99_ms;  // Of all calls; none of too few of them.
};

// All texts in one call.
struct Throughput {
  Spread texts_per_second;
  double tokens_per_second = 0;
  double tokenize_share = 0;  // Of the call's time; nearly all of the rest is the encoder.
  double gflops = 0;          // Of the matrix products and attention, a second, of the whole call.
};

// How near the vectors are to those of f32.
struct Quality {
  double least_cosine = 0, mean_cosine = 0;
  double recall_at_10 = 0;  // Share of each text's ten nearest texts that are the same.
  int64_t texts = 0;
};

// How well the right documents are found by their vectors.
struct RetrievalQuality {
  std::string task;  // The folder.
  int64_t queries = 0, documents = 0;
  double recall_at_1 = 0, recall_at_10 = 0, ndcg_at_10 = 0, mrr_at_10 = 0;
  std::vector<int64_t> ranks;  // Of each query's best relevant document, in the order of the file.
};

// Where the time of some calls goes.
struct Breakdown {
  std::string workload;
  int64_t calls = 0;
  StageProfile profile;  // Summed over the calls.
};

// One way to run the model.
struct SettingReport {
  std::string precision, isa;
  int threads = 0, batch_tokens = 0;
  double load_ms = 0;
  std::vector<LengthLatency> latencies;
  Throughput throughput;
  std::optional<Quality> quality;  // None for f32.
  std::optional<RetrievalQuality> retrieval;
  std::vector<Breakdown> breakdowns;
  MachinePeak peak;  // Beside the breakdowns.

  std::string Name() const;  // "f32, 2 threads"
};

struct MachineFacts {
  std::string cpu, kernel, threads_source;
  std::vector<std::string> caches;  // "L2 1024K"; empty where the system does not say.
  int threads = 0;
  int64_t memory_bytes = 0;
};
MachineFacts DescribeMachine();

// A figure now and in an older report.
struct BenchChange {
  std::string what;  // "f32, 2 threads: one text of 16 tokens, P50"
  std::string unit;  // "ms", "texts/s"
  double before = 0, after = 0;
  double speedup = 0;         // Above 1: faster now.
  bool beyond_noise = false;  // No round of one report lies among the rounds of the other.
};

struct BenchReport {
  MachineFacts machine;
  std::string date;  // UTC, ISO 8601.
  ModelInfo model;   // As the first setting runs it.
  std::string corpus;
  int64_t texts = 0, tokens = 0, truncated_texts = 0;
  int rounds = 0;
  size_t checked_texts = 0;
  double worst_length_error = 0;
  double first_vector_ms = 0;     // Load and one text.
  std::optional<double> cold_ms;  // The same from the start of the process.
  int64_t peak_memory_bytes = 0;
  std::vector<SettingReport> settings;
  std::vector<std::string> left_out;  // Settings that do not run here, with the reason.
  std::string compared_with;          // A file; empty: nothing.
  std::vector<BenchChange> changes;
  std::vector<std::string> compare_notes;  // What makes the two reports less comparable.
};

inline constexpr int kBenchFormat = 1;  // Of the JSON; a reader refuses others.

std::string_view VerdictOf(const BenchChange& change);  // "faster", "slower", "within the noise"

std::string ReportText(const BenchReport& report);
std::string ReportJson(const BenchReport& report);

// The least of `values` that `percent` of them do not exceed (nearest rank); `values` is not empty.
double ValueAtPercent(std::vector<double> values, int percent);

// The same, of enough values that one of them lies above it: P95 takes 20 of them, P99
// 100. Of fewer it would be the greatest under another name.
std::optional<double> Percentile(std::vector<double> values, int percent);
std::string FixedOrDash(std::optional<double> ms);  // "1.250", or "-".

}  // namespace akin::cli
