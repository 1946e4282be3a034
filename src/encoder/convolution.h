// DeBERTa-v2's convolution along a sequence (He et al., 2021), as one product: a token's row is
// unfolded to itself and its neighbours, zeros past the ends of the sequence.
//
// It reads what the first layer reads and takes part in what that gives, so it comes in two steps.
#pragma once

#include <optional>

#include "base/ragged_batch.h"
#include "base/team.h"
#include "encoder/norm.h"
#include "encoder/packed_weights.h"
#include "encoder/workspace.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

class Convolution {
 public:
  // Bytes that its weights take, packed.
  static size_t PackedBytes(const model::ModelWeights& weights, const kernels::Kernels& kernels);

  // Adds its weights to `arena`.
  Convolution(const model::ModelWeights& weights, const model::ModelConfig& config,
              const kernels::Kernels& kernels, WeightArena& arena);

  // Of workspace.hidden(), before the first layer; keeps the result in workspace.branch(). All
  // members of the team call both.
  void Forward(const RaggedBatch& batch, const TeamMember& member,
               const Workspace& workspace) const;
  // hidden = norm(hidden + the result), prepared for the next layer.
  void AddTo(size_t num_tokens, const TeamMember& member, const Workspace& workspace) const;

 private:
  // Tokens [first, last) of the batch.
  void Unfold(const RaggedBatch& batch, size_t first, size_t last,
              const Workspace& workspace) const;

  const kernels::Kernels& kernels_;
  size_t kernel_size_;
  bool tanh_;  // Applied where it is added; other activations are the product's epilogue.
  kernels::Epilogue epilogue_;
  Norm norm_;
  kernels::PackedLinear linear_;
};

}  // namespace akin::encoder
