#pragma once

#include <cstddef>
#include <span>

#include "base/aligned_buffer.h"
#include "encoder/activations.h"
#include "kernels/kernels.h"
#include "model/model_config.h"

namespace akin::encoder {

// The memory of one batch on its way through the layers: sized once for the most tokens a batch may
// have, then reused. Pages that no batch has reached yet cost nothing.
class Workspace {
 public:
  // `max_length` bounds a single sequence, `team_size` the threads that may share this workspace.
  Workspace(const model::ModelConfig& config, const kernels::Kernels& kernels, size_t max_tokens,
            size_t max_length, size_t team_size);

  const Activations& hidden() const { return hidden_; }  // [max_tokens, hidden_size], in f32
  // query | key | value [max_tokens, 3 * hidden_size], in the type that attention reads
  const Activations& qkv() const { return qkv_; }
  const Activations& context() const { return context_; }            // [max_tokens, hidden_size]
  const Activations& intermediate() const { return intermediate_; }  // [.., intermediate_size]
  // Of one member of the team.
  std::span<float> attention_scratch(size_t rank) const {
    return attention_scratch_.subspan(rank * scratch_floats_, scratch_floats_);
  }

 private:
  Activations hidden_, qkv_, context_, intermediate_;
  size_t scratch_floats_;
  AlignedBuffer memory_;
  std::span<float> attention_scratch_;
};

}  // namespace akin::encoder
