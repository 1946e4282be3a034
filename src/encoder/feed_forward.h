#pragma once

#include "base/team.h"
#include "encoder/activations.h"
#include "encoder/packed_weights.h"
#include "encoder/workspace.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

// What computes an activation behind a product.
kernels::Epilogue ActivationEpilogue(model::Activation activation);

// output(act(intermediate(x))), or output(act(gate(x)) * intermediate(x)) (Shazeer, 2020).
class FeedForward {
 public:
  // Bytes that its weights take, packed.
  static size_t PackedBytes(const model::LayerWeights& weights, const kernels::Kernels& kernels);

  // Adds its weights to `arena`.
  FeedForward(const model::LayerWeights& weights, const model::ModelConfig& config,
              const kernels::Kernels& kernels, WeightArena& arena);

  // Adds to workspace.hidden(), or writes workspace.branch(). All members of the team call it.
  void Forward(size_t num_rows, const TeamMember& member, const Workspace& workspace) const;

 private:
  const kernels::Kernels& kernels_;
  kernels::Epilogue activation_;
  kernels::PackedLinear intermediate_;  // [intermediate_size, hidden_size], perhaps gated.
  kernels::PackedLinear output_;        // [hidden_size, intermediate_size]
  bool reads_hidden_;                   // Rather than a norm's output.
  bool has_branch_;                     // A norm stands before the sum.
};

}  // namespace akin::encoder
