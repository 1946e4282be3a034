// Another server that is measured beside Akin's: one with TEI's POST /embed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embedder.h"

#include "serve_load/load_client.h"

namespace akin::bench {

struct Peer {
  std::string name;
  uint16_t port = 0;
};

// "tei=http://127.0.0.1:8090". It runs on this machine: over a network something else would be
// measured. Throws std::runtime_error.
Peer ParsePeer(const std::string& text);

// What a server is asked, and our vectors of that.
struct Workload {
  std::vector<PreparedRequest> requests;
  std::vector<Embeddings> vectors;  // Of each request, a row a text.
};

// The smallest cosine of the vectors in an answer, [[...], ...], to ours; -1 if they are not as
// many numbers. A vector of zeros has the cosine 0.
double LeastCosine(std::string_view answer, const Embeddings& ours);

// A peer in f32 beside our bf16 stands well above this, another model or pooling well below.
inline constexpr double kLeastCosine = 0.999;

// Asks each request once. Throws std::runtime_error if an answer is not ours.
void CheckPeer(const Peer& peer, const Workload& workload);
// The same for answers of a load.
void CheckAnswers(const Peer& peer, const Workload& workload,
                  const std::vector<LastAnswer>& answers);

}  // namespace akin::bench
