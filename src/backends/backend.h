// What runs a model: ragged batches of token ids in, sentence vectors out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "akin/matrix_view.h"
#include "akin/result.h"

#include "base/ragged_batch.h"
#include "base/team.h"

namespace akin::backends {

// The memory of one batch under way. A backend makes as many as are computed at once; each serves
// one team at a time.
class Session {
 public:
  virtual ~Session() = default;
};

struct EmbedParams {
  bool normalize = true;
};

struct BackendInfo {
  std::string name;       // "native"
  std::string precision;  // "f32"
  std::string isa;        // "avx512"
  int dimension = 0;
  int max_positions = 0;  // Longest sequence in tokens.
  int64_t num_parameters = 0;
  bool batch_invariant = false;
  double flops_per_token = 0;  // Roughly, without attention: what a team is worth is judged by it.
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual BackendInfo Info() const = 0;

  // A session for batches of up to `max_tokens` tokens and teams of up to `team_size` threads.
  virtual std::unique_ptr<Session> NewSession(size_t max_tokens, size_t team_size) const = 0;

  // Computes `vectors` [batch.num_sequences(), dimension]. All members of a team call it with the
  // same arguments; the vectors are there when it has returned to every one of them. Does not
  // throw.
  virtual Status Embed(const RaggedBatch& batch, const EmbedParams& params,
                       const TeamMember& member, Session& session,
                       MatrixView<float> vectors) const = 0;
};

}  // namespace akin::backends
