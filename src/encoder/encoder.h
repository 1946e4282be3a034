// Token ids -> token states: embeddings, then the layers, over a ragged batch. No padding anywhere.
//
// One encoder for every architecture: the phases of a layer are made once, of the ModelConfig, and
// a pass runs them one after the other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"

#include "base/ragged_batch.h"
#include "base/team.h"
#include "encoder/convolution.h"
#include "encoder/embeddings.h"
#include "encoder/layer.h"
#include "encoder/packed_weights.h"
#include "encoder/row_phase.h"
#include "encoder/workspace.h"
#include "kernels/kernels.h"
#include "model/model_config.h"
#include "model/weights.h"

namespace akin::encoder {

// How the weights get into the layout of the kernels.
struct Packing {
  int num_threads = 1;
  std::string cache_key;  // As WeightArena's.
};

// What an encoder will hold, known before its weights are read: in bytes.
struct EncoderMemory {
  size_t weights = 0;  // Encoder::weight_bytes().
  size_t tables = 0;   // Embeddings, positions, norms: at most, once their rows were all asked for.
  size_t packing = 0;  // Of each thread that packs weights, meanwhile.
};

// Immutable once made; any number of threads may run it, each team with a workspace of its own.
class Encoder {
 public:
  Encoder(model::ModelConfig config, model::ModelWeights weights, const kernels::Kernels& kernels,
          Packing packing = {});
  Encoder(const Encoder&) = delete;  // Its parts point to its kernels and its weights.
  Encoder& operator=(const Encoder&) = delete;

  // Leaves the last layer's states in workspace.hidden(), or those of first tokens only where the
  // batch asks for no others. All members of the team call it with the same arguments; when it
  // has returned to all of them, these rows are there. Ends early, in the layer that is being
  // computed, when nobody wants the rows any more (batch.wanted_until): DeadlineExceeded or
  // Cancelled to the member of rank 0. To make that error, it throws std::bad_alloc, when nobody
  // waits for the member any more.
  Status Forward(const RaggedBatch& batch, TeamMember member, Workspace& workspace) const;

  // Of an encoder that would be made so; tables as far as sequences of `longest` tokens reach.
  static EncoderMemory MemoryOf(const model::ModelConfig& config,
                                const model::ModelWeights& weights, const kernels::Kernels& kernels,
                                size_t longest);
  // Its packed weights.
  size_t weight_bytes() const { return arena_->bytes(); }

  Workspace NewWorkspace(size_t max_tokens, size_t max_length, size_t team_size) const;
  const model::ModelConfig& config() const { return config_; }
  // Of the matrix products with weights: two operations a weight.
  double flops_per_token() const;

 private:
  // One layer of the pass; shared layers have several.
  struct Step {
    const Layer* layer;
    RowPhase after_attention, after_feed_forward;
  };

  // Of all products' weights, in the layout of the kernels.
  static size_t PackedBytes(const model::ModelConfig& config, const model::ModelWeights& weights,
                            const kernels::Kernels& kernels);
  void PackWeights(const model::ModelWeights& weights, Packing packing);
  void SetRelativeEmbeddings(const model::ModelWeights& weights);
  void MakeSteps();
  // Whether a team divides so many rows rather than the columns of the products.
  bool DividesRows(size_t num_rows, const TeamMember& member) const;
  // Whether the last layer computes the rows of first tokens alone from its attention on.
  bool NeedsFirstRowsOnly(const RaggedBatch& batch) const;
  // Makes what the first layer reads.
  void Embed(const RaggedBatch& batch, const TeamMember& member, Workspace& workspace) const;
  // The layer of every step.
  std::vector<const Layer*> Order() const;

  model::ModelConfig config_;
  kernels::Kernels kernels_;
  std::shared_ptr<const void> tensors_;  // The word embeddings stay in their file.
  Embeddings embeddings_;
  PositionTables positions_;
  std::optional<Norm> projected_norm_;  // Of embeddings after their projection.
  std::optional<Norm> final_norm_;
  std::unique_ptr<WeightArena> arena_;  // The weights of all products.
  kernels::PackedLinear projection_;
  std::optional<Convolution> convolution_;
  std::vector<Layer> layers_;
  RowPhase after_embeddings_;
  std::vector<Step> steps_;
};

}  // namespace akin::encoder
