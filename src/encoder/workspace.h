#pragma once

#include <cstddef>
#include <span>

#include "akin/matrix_view.h"

#include "base/aligned_buffer.h"
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

  size_t max_tokens() const { return max_tokens_; }

  // The first `num_tokens` rows of each matrix.
  MatrixView<float> hidden(size_t num_tokens) const { return hidden_.Rows(0, num_tokens); }
  MatrixView<float> qkv(size_t num_tokens) const {
    return qkv_.Rows(0, num_tokens);
  }  // query | key | value
  MatrixView<float> context(size_t num_tokens) const { return context_.Rows(0, num_tokens); }
  MatrixView<float> intermediate(size_t num_tokens) const {
    return intermediate_.Rows(0, num_tokens);
  }
  // Of one member of the team.
  std::span<float> attention_scratch(size_t rank) const {
    return attention_scratch_.subspan(rank * scratch_floats_, scratch_floats_);
  }

 private:
  size_t max_tokens_;
  size_t scratch_floats_;
  AlignedBuffer memory_;
  MatrixView<float> hidden_;        // [max_tokens, hidden_size]
  MatrixView<float> qkv_;           // [max_tokens, 3 * hidden_size]
  MatrixView<float> context_;       // [max_tokens, hidden_size]
  MatrixView<float> intermediate_;  // [max_tokens, intermediate_size]
  std::span<float> attention_scratch_;
};

}  // namespace akin::encoder
