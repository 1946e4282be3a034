#include "encoder/encoder.h"

#include <utility>

#include "encoder/stage_work.h"

namespace akin::encoder {

Encoder::Encoder(model::ModelConfig config, model::ModelWeights weights,
                 const kernels::Kernels& kernels)
    : config_(std::move(config)),
      kernels_(kernels),
      tensors_(weights.tensors),
      embeddings_(weights, config_.layer_norm_eps, kernels_) {
  const size_t layer_bytes = Layer::PackedBytes(config_, kernels_);
  packed_ = AlignedBuffer(layer_bytes * weights.layers.size());
  std::byte* memory = packed_.As<std::byte>().data();
  layers_.reserve(weights.layers.size());
  for (const model::LayerWeights& layer : weights.layers) {
    layers_.emplace_back(layer, config_, kernels_, memory);
    memory += layer_bytes;
  }
}

void Encoder::Forward(const RaggedBatch& batch, const TeamMember& member,
                      Workspace& workspace) const {
  const size_t num_tokens = batch.num_tokens();
  embeddings_.Forward(batch, member, workspace.hidden().f32(num_tokens));
  const auto rows = member.Share(num_tokens);
  workspace.hidden().Prepare(kernels_, rows.begin, rows.end);
  member.Lap(Stage::kEmbeddings,
             WorkOnRows(rows.end - rows.begin, static_cast<size_t>(config_.hidden_size)));
  member.Meet();
  for (const Layer& layer : layers_) layer.Forward(batch, member, workspace);
}

double Encoder::flops_per_token() const {
  const double hidden = config_.hidden_size, intermediate = config_.intermediate_size;
  return 2.0 * config_.num_hidden_layers * hidden * (4.0 * hidden + 2.0 * intermediate);
}

Workspace Encoder::NewWorkspace(size_t max_tokens, size_t max_length, size_t team_size) const {
  return Workspace(config_, kernels_, max_tokens, max_length, team_size);
}

}  // namespace akin::encoder
