#pragma once

#include <optional>
#include <vector>

#include "base/ragged_batch.h"
#include "base/team.h"
#include "encoder/norm.h"
#include "encoder/packed_weights.h"
#include "encoder/position_bias.h"
#include "encoder/rotary_table.h"
#include "encoder/workspace.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

// What positions give to the attention of all layers.
struct PositionTables {
  PositionTables(const model::ModelWeights& weights, const model::ModelConfig& config);

  std::vector<RotaryTable> rotary;  // As ModelConfig::rotary.
  DistanceBias distance_bias;
  std::vector<int32_t> disentangled_rows;
  size_t max_positions;
};

// Longest sequence of which RaggedBatch::attended may name a part: as long as every query sees
// every key and scores are left as they are, because a key's distance does not count then, and no
// token reads its neighbours.
int MaxPartlyAttended(const model::ModelConfig& config);

// Self-attention with its projections: query, key and value; positions; every query's mean of the
// values it sees; output.
class Attention {
 public:
  // Bytes that its weights take, packed.
  static size_t PackedBytes(const model::LayerWeights& weights, const kernels::Kernels& kernels);

  // Adds its weights to `arena`. `layer` says which keys a query sees; `tables` outlive
  // this object.
  Attention(const model::LayerWeights& weights, const model::ModelConfig& config,
            const model::LayerAttention& layer, const PositionTables& tables,
            const kernels::Kernels& kernels, WeightArena& arena);

  // DeBERTa: makes this layer's keys and queries of the relative embeddings [rows, hidden_size].
  void SetRelativeEmbeddings(MatrixView<const float> embeddings, const model::LayerWeights& weights,
                             const model::Disentangled& disentangled);

  // Makes workspace.context(), every query's mean of the values it sees. All members of the team
  // call it.
  void Attend(const RaggedBatch& batch, const TeamMember& member, Workspace& workspace) const;
  // The output of the first `num_rows` rows of workspace.context(), added to workspace.hidden() or
  // written to workspace.branch(). Likewise.
  void AddOutput(size_t num_rows, const TeamMember& member, const Workspace& workspace) const;

 private:
  // Keys and queries of relative positions, in the type that attention reads: [rows, hidden_size].
  template <typename T>
  struct Relative {
    std::vector<T> keys, queries;
  };

  bool turns_positions() const { return rotary_ != nullptr || query_norm_.has_value(); }
  // Norms and turns the queries and keys of this member's rows.
  void TurnPositions(const RaggedBatch& batch, const TeamMember& member,
                     const Workspace& workspace) const;
  void TurnRows(MatrixView<float> rows, size_t length, size_t first_position) const;
  template <typename T>
  void AttendIn(MatrixView<const T> qkv, const RaggedBatch& batch, const TeamMember& member,
                Workspace& workspace) const;
  template <typename T>
  kernels::AttentionPattern<T> Pattern(size_t head) const;
  // Whether every query of a sequence sees every key and scores are left as they are.
  bool IsPlain(size_t length) const;

  const kernels::Kernels& kernels_;
  const PositionTables& tables_;
  size_t num_heads_;
  size_t num_key_value_heads_;
  size_t head_dim_;
  float scale_;
  size_t left_, right_;
  float softcap_;
  bool has_scores_rule_;  // A soft-cap, a bias or disentangled positions.
  const RotaryTable* rotary_ = nullptr;
  bool reads_hidden_;  // Rather than a norm's output.
  bool has_branch_;    // A norm stands before the sum.
  std::optional<Norm> query_norm_, key_norm_;
  kernels::PackedLinear query_key_value_;
  kernels::PackedLinear output_;
  Relative<float> relative_f32_;
  Relative<Bf16> relative_bf16_;
  size_t relative_rows_ = 0;
};

}  // namespace akin::encoder
