#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "akin/result.h"

#include "batching/batch_plan.h"
#include "engine/batch_slot.h"
#include "engine/network.h"
#include "engine/session_pool.h"
#include "engine/tokenized_texts.h"
#include "engine/worker_pool.h"

namespace akin::engine {

// Takes the rows of each sequence.
class RowSink {
 public:
  virtual ~RowSink() = default;
  // Called for each sequence, by any thread, for different ones at the same time; its rows are
  // those of the slot's sequence `place`. Called again, it begins anew. May throw std::bad_alloc.
  virtual Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) = 0;
};

// On what terms sequences are computed.
struct ComputeTerms {
  int max_threads = 1;
  const WantedUntil* wanted_until = nullptr;  // As RaggedBatch's.
};

// The network and the threads that run it.
class Computer {
 public:
  struct Options {
    int num_threads = 1;
    int batch_tokens = 0;
    int max_positions = 0;
    std::vector<int> worker_cpus;  // WorkerPool.
  };
  Computer(Network network, const Options& options);

  // Sequences of a batch, at most: rows that grow with them where they are wider than the states
  // (vocabulary entries) take so much memory and no more; one sequence always fits.
  static size_t MostSequences(size_t row_bytes);
  // What the session of one batch under way is made for.
  static size_t MostTokens(const Options& options);

  const Network& network() const { return network_; }
  const WorkerPool& pool() const { return pool_; }
  int num_threads() const { return options_.num_threads; }

  // Computes what is wanted of all sequences that have tokens.
  Status Compute(const TokenizedTexts& texts, const Wanted& wanted, const ComputeTerms& terms,
                 RowSink& sink) const;
  // About so many tokens are to be computed on so many threads as soon as they are read: wakes the
  // team that will share them, if one will.
  void Rouse(size_t num_tokens, int max_threads) const;

 private:
  // Throughput: every thread takes batches of its own.
  Status ComputeApart(const TokenizedTexts& texts, std::span<const batching::Batch> plan,
                      const Wanted& wanted, const ComputeTerms& terms, RowSink& sink) const;
  // Latency: all threads share each batch.
  Status ComputeTogether(const TokenizedTexts& texts, std::span<const batching::Batch> plan,
                         const Wanted& wanted, const ComputeTerms& terms, RowSink& sink) const;
  // What is computed together.
  std::vector<batching::Batch> MakePlan(const TokenizedTexts& texts, const Wanted& wanted,
                                        size_t num_workers) const;

  Network network_;
  Options options_;
  size_t least_team_tokens_;  // Threads that share a batch of fewer are not done sooner than one.
  SessionPool sessions_;
  WorkerPool pool_;
};

}  // namespace akin::engine
