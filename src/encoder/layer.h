#pragma once

#include "base/ragged_batch.h"
#include "base/team.h"
#include "encoder/layer_norm.h"
#include "encoder/packed_weights.h"
#include "encoder/workspace.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

// One post-norm encoder layer (BERT; Vaswani et al., 2017).
class Layer {
 public:
  // Bytes that the layer takes in the arena.
  static size_t PackedBytes(const model::ModelConfig& config, const kernels::Kernels& kernels);

  Layer(const model::LayerWeights& weights, const model::ModelConfig& config,
        const kernels::Kernels& kernels, std::byte* memory);

  // Updates `hidden` [num_tokens, hidden_size] of the workspace in place. All members of the team
  // call it together.
  void Forward(const RaggedBatch& batch, const TeamMember& member, Workspace& workspace) const;

 private:
  void Linear(Stage stage, const kernels::PackedLinear& linear, kernels::Epilogue epilogue,
              const TeamMember& member, const kernels::Operand& input,
              const kernels::Output& output) const;
  // Makes what the next product reads of what all members have written.
  void Prepare(const Activations& activations, size_t num_tokens, const TeamMember& member) const;
  void SelfAttention(const RaggedBatch& batch, const TeamMember& member,
                     Workspace& workspace) const;
  template <typename T>
  void AttendTo(const kernels::AttentionKernels<T>& attention, MatrixView<const T> qkv,
                const RaggedBatch& batch, const TeamMember& member, Workspace& workspace) const;
  // Normalizes this member's rows of `hidden` and prepares them.
  void Normalize(const LayerNorm& norm, const TeamMember& member, const Activations& hidden,
                 size_t num_tokens) const;

  const kernels::Kernels& kernels_;
  size_t num_heads_;
  size_t head_dim_;
  kernels::Epilogue activation_;
  kernels::PackedLinear query_key_value_;   // [3 * hidden_size, hidden_size]
  kernels::PackedLinear attention_output_;  // [hidden_size, hidden_size]
  kernels::PackedLinear intermediate_;      // [intermediate_size, hidden_size]
  kernels::PackedLinear output_;            // [hidden_size, intermediate_size]
  LayerNorm attention_norm_;
  LayerNorm output_norm_;
};

}  // namespace akin::encoder
