#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
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

  // Of one that would be made so: bytes(), and how many matrices and scratches lie in them.
  struct Size {
    size_t bytes = 0;
    size_t num_parts = 0;
  };
  static Size SizeOf(const model::ModelConfig& config, const kernels::Kernels& kernels,
                     size_t max_tokens, size_t max_length, size_t team_size);
  size_t bytes() const { return memory_.size_bytes(); }

  const Activations& hidden() const { return hidden_; }  // [max_tokens, hidden_size], in f32
  // What a sublayer reads where a norm stands before it: the norm's output; that of the
  // feed-forward has its own where both branches are read from one state.
  const Activations& attention_input() const { return attention_input_; }
  const Activations& feed_forward_input() const {
    return feed_forward_input_.bytes() > 0 ? feed_forward_input_ : attention_input_;
  }
  // What a sublayer gives, where a norm stands between it and the sum; what the convolution gives.
  // [max_tokens, hidden_size]
  const Activations& branch() const { return branch_; }
  // What the convolution reads. [max_tokens, hidden_size * kernel_size]
  const Activations& unfolded() const { return unfolded_; }
  const Activations& embedded() const { return embedded_; }  // [max_tokens, embedding_size]
  // query | key | value [max_tokens, (num_attention_heads + 2 num_key_value_heads) head_dim] as the
  // product writes them, and as attention reads them, once their positions are turned.
  const Activations& qkv() const { return qkv_; }
  const Activations& turned() const { return turned_; }
  // [max_tokens, num_attention_heads head_dim]
  const Activations& context() const { return context_; }
  const Activations& intermediate() const { return intermediate_; }  // [.., intermediate_size]
  // The step with whose attention the pass ends, because nobody wants its rows any more; kNoStep:
  // none. The member of rank 0 says so before the attention of that very step, at whose end the
  // team meets, and the others look after it: all of them find the same, also those that look when
  // rank 0 is a step ahead.
  static constexpr size_t kNoStep = SIZE_MAX;
  std::atomic<size_t>& last_step() const { return *last_step_; }

  // Of one member of the team.
  std::span<float> attention_scratch(size_t rank) const {
    return attention_scratch_.subspan(rank * scratch_floats_, scratch_floats_);
  }

 private:
  struct Unplaced {};  // Without memory.
  Workspace(const model::ModelConfig& config, const kernels::Kernels& kernels, size_t max_tokens,
            size_t max_length, Unplaced);
  std::array<Activations*, 10> Parts();
  size_t PlacedBytes(size_t team_size);

  Activations hidden_, attention_input_, feed_forward_input_, branch_, unfolded_, embedded_, qkv_,
      turned_, context_, intermediate_;
  std::unique_ptr<std::atomic<size_t>> last_step_ = std::make_unique<std::atomic<size_t>>(kNoStep);
  size_t scratch_floats_;
  AlignedBuffer memory_;
  std::span<float> attention_scratch_;
};

}  // namespace akin::encoder
