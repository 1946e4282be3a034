// Calls of many callers, computed together: the three steps of call.h for whoever stands in front
// of embedders.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "akin/result.h"
#include "akin/scheduler.h"

#include "engine/call.h"

namespace akin::engine {

// The first step. Errors: those of the Embedder's call that are found before anything is computed.
Result<std::unique_ptr<EmbedCall>> ReadCall(const EmbedRequest& request);
Result<std::unique_ptr<ScoreCall>> ReadCall(const ScoreRequest& request);
Result<std::unique_ptr<ScoreCall>> ReadCall(const RerankRequest& request);

// How many tokens a request will come to, before it is read.
size_t EstimateTokens(const EmbedRequest& request);
size_t EstimateTokens(const ScoreRequest& request);
size_t EstimateTokens(const RerankRequest& request);

// Bytes of all of its texts.
size_t TextBytes(const EmbedRequest& request);
size_t TextBytes(const ScoreRequest& request);
size_t TextBytes(const RerankRequest& request);
// What the texts take in memory: of a query that stands beside every document, once.
size_t HeldBytes(const EmbedRequest& request);
size_t HeldBytes(const ScoreRequest& request);
size_t HeldBytes(const RerankRequest& request);

// What computing a call takes, roughly; nothing where that cannot be said: of backends that wait
// for others.
std::optional<double> FlopsOf(const Call& call);
// Whether the backend of a sequence is one of those.
bool WaitsForOthers(const Call& call, uint32_t sequence);

// Sequences may be computed together when this is equal: the same model, the same rows.
uint64_t GroupOf(const Call& call, uint32_t sequence);

// Equal sequences of a call: the first one is computed, all get its rows.
struct JoinedSequences {
  Call* call = nullptr;
  std::span<const uint32_t> sequences;
};

// `num_tokens` of an embedder are to be computed on so many threads as soon as they are read.
void Rouse(const Embedder& embedder, size_t num_tokens, int num_threads);

// Computes sequences of one group, at least one, on the embedder's threads. Their embedders live.
Status ComputeJoined(std::span<const JoinedSequences> joined, const ComputeTerms& terms);

}  // namespace akin::engine
