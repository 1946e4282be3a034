#pragma once

#include <memory>
#include <optional>

#include "akin/matrix_view.h"
#include "akin/result.h"

#include "backends/backend.h"
#include "pooling/pipeline.h"

namespace akin::engine {

// The model proper: a backend and the modules behind it. Ragged batches of ids in, vectors out.
// Immutable; any number of teams may run it, each with a session of its own.
class Network {
 public:
  // The memory of one batch under way.
  struct Session {
    std::unique_ptr<backends::Session> backend;
    pooling::Scratch scratch;
    // What the backend gave the member of rank 0; the others read it after the team has met.
    std::optional<Result<MatrixView<const float>>> rows;
  };

  Network(std::unique_ptr<const backends::Backend> backend, pooling::Pipeline pipeline);

  const backends::BackendInfo& info() const { return info_; }
  const pooling::Pipeline& pipeline() const { return pipeline_; }

  std::unique_ptr<Session> NewSession(size_t max_tokens, size_t team_size) const;

  // Computes `vectors` [num_segments, dimension], not normalized at the end. All members of a team
  // call it with the same arguments; what it returns to the member of rank 0 counts. Does not
  // throw.
  Status Compute(const pooling::BatchView& batch, const TeamMember& member, Session& session,
                 MatrixView<float> vectors) const;

 private:
  std::unique_ptr<const backends::Backend> backend_;
  backends::BackendInfo info_;
  pooling::Pipeline pipeline_;
};

}  // namespace akin::engine
