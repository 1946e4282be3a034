#pragma once

#include <optional>
#include <vector>

#include "base/ragged_batch.h"
#include "base/team.h"
#include "encoder/norm.h"
#include "encoder/word_rows.h"
#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

// The bottom of a transformer: the sum of what a token's id, position and type are embedded in,
// then perhaps a norm.
class Embeddings {
 public:
  Embeddings(const model::ModelWeights& weights, const model::ModelConfig& config,
             const kernels::Kernels& kernels);

  // Fills this member's rows of `rows` [num_tokens, embedding_size]. Every id is below its table's
  // rows; a sequence is at most max_positions long.
  void Forward(const RaggedBatch& batch, const TeamMember& member, MatrixView<float> rows) const;

 private:
  // A token's word, type, position and task, in this order, into `row` [embedding_size].
  void Sum(int32_t id, size_t type, size_t position, std::span<float> row) const;

  WordRows word_;
  std::vector<float> position_;    // [max_position_embeddings, embedding_size]
  std::vector<float> token_type_;  // [type_vocab_size, embedding_size]
  std::vector<float> task_type_;   // [embedding_size]: of task 0.
  float scale_;
  std::optional<int32_t> padding_id_;  // Positions count from behind it, without it.
  std::optional<Norm> norm_;
};

}  // namespace akin::encoder
