// Token ids -> token states: embeddings, then the layers, over a ragged batch. No padding anywhere.
#pragma once

#include <memory>
#include <vector>

#include "base/ragged_batch.h"
#include "base/team.h"
#include "encoder/embeddings.h"
#include "encoder/layer.h"
#include "encoder/packed_weights.h"
#include "encoder/workspace.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

// Immutable once made; any number of threads may run it, each team with a workspace of its own.
class Encoder {
 public:
  Encoder(model::ModelConfig config, model::ModelWeights weights, const kernels::Kernels& kernels);
  Encoder(const Encoder&) = delete;  // Its parts point to its kernels and its weights.
  Encoder& operator=(const Encoder&) = delete;

  // Leaves the last layer's states in workspace.hidden(). All members of the team call it
  // with the same arguments; when it returns to one of them, all rows are there.
  void Forward(const RaggedBatch& batch, const TeamMember& member, Workspace& workspace) const;

  Workspace NewWorkspace(size_t max_tokens, size_t max_length, size_t team_size) const;
  const model::ModelConfig& config() const { return config_; }
  // Of the matrix products with weights: two operations a weight.
  double flops_per_token() const;

 private:
  model::ModelConfig config_;
  kernels::Kernels kernels_;
  std::shared_ptr<const void> tensors_;  // The word embeddings live in the mapped file.
  Embeddings embeddings_;
  AlignedBuffer packed_;  // The layers' weights, in the order of use.
  std::vector<Layer> layers_;
};

}  // namespace akin::encoder
