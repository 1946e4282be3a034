#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "akin/matrix_view.h"
#include "akin/options.h"
#include "akin/result.h"

#include "backends/backend.h"
#include "pooling/chain.h"

namespace akin::engine {

// Where the rows of each output go, by Output; those that are not wanted have no columns.
using OutputRows = std::array<MatrixView<float>, kNumOutputs>;

// The model proper: a backend and the modules behind it. Ragged batches of ids in, rows of what is
// wanted out. Immutable; any number of teams may run it, each with a session of its own.
class Network {
 public:
  // One for each output that the model gives.
  using Chains = std::array<std::optional<pooling::Chain>, kNumOutputs>;

  // The memory of one batch under way.
  struct Session {
    std::unique_ptr<backends::Session> backend;
    std::array<pooling::Scratch, kNumOutputs> scratch;
    // What the backend gave the member of rank 0; the others read it after the team has met.
    std::optional<Result<MatrixView<const float>>> rows;
  };

  // `model` stands for it in messages.
  Network(std::string model, std::unique_ptr<const backends::Backend> backend, Chains chains);

  const std::string& model() const { return model_; }
  const backends::BackendInfo& info() const { return info_; }
  // Null if the model does not give it.
  const pooling::Chain* chain(Output output) const {
    const auto& chain = chains_[static_cast<size_t>(output)];
    return chain ? &*chain : nullptr;
  }
  // Of the backend and the largest chain.
  double flops_per_token() const { return flops_per_token_; }

  // The backend's.
  Status Health() const { return backend_->Health(); }

  std::unique_ptr<Session> NewSession(size_t max_tokens, size_t team_size) const;
  // As Backend::Reserve.
  void Reserve(const RaggedBatch& batch, Session& session) const {
    backend_->Reserve(batch, *session.backend);
  }

  // Fills the wanted `rows`, not normalized at the end. All members of a team call it with the same
  // arguments; what it returns to the member of rank 0 counts. Does not throw.
  Status Compute(const pooling::BatchView& batch, const TeamMember& member, Session& session,
                 const OutputRows& rows) const;

 private:
  bool ReadsOnlyFirstRows(const pooling::BatchView& batch, const OutputRows& rows) const;
  Status Prepare(const pooling::BatchView& batch, size_t team_size, Session& session,
                 const OutputRows& rows) const;

  std::string model_;
  std::unique_ptr<const backends::Backend> backend_;
  backends::BackendInfo info_;
  Chains chains_;
  double flops_per_token_ = 0;
};

}  // namespace akin::engine
