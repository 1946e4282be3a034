#pragma once

#include <vector>

#include "base/ragged_batch.h"
#include "base/team.h"
#include "encoder/layer_norm.h"
#include "model/weights.h"

namespace akin::encoder {

// The bottom of BERT: LayerNorm(word + token type + position), Devlin et al., 2018.
class Embeddings {
 public:
  Embeddings(const model::ModelWeights& weights, float layer_norm_eps,
             const kernels::Kernels& kernels);

  // Fills this member's rows of `hidden` [num_tokens, hidden_size]. Every id is below its table's
  // rows; a sequence is at most max_position_embeddings long.
  void Forward(const RaggedBatch& batch, const TeamMember& member, MatrixView<float> hidden) const;

 private:
  // Stays in the mapped file: a text touches a few rows of a table that is half of a small model.
  model::Tensor word_;
  std::vector<float> position_;    // [max_position_embeddings, hidden_size]
  std::vector<float> token_type_;  // [type_vocab_size, hidden_size]
  LayerNorm norm_;
};

}  // namespace akin::encoder
