#include "encoder/layer.h"

#include <cmath>

namespace akin::encoder {
namespace {

kernels::Epilogue ActivationEpilogue(model::Activation activation) {
  switch (activation) {
    case model::Activation::kGelu: return kernels::Epilogue::kGelu;
    case model::Activation::kGeluTanh: return kernels::Epilogue::kGeluTanh;
    case model::Activation::kRelu: return kernels::Epilogue::kRelu;
  }
  return kernels::Epilogue::kGelu;
}

}  // namespace

size_t Layer::PackedFloats(const model::ModelConfig& config, const kernels::Kernels& kernels) {
  const size_t hidden = static_cast<size_t>(config.hidden_size);
  const size_t intermediate = static_cast<size_t>(config.intermediate_size);
  return kernels::PackedFloats(kernels, 3 * hidden, hidden) +
         kernels::PackedFloats(kernels, hidden, hidden) +
         kernels::PackedFloats(kernels, intermediate, hidden) +
         kernels::PackedFloats(kernels, hidden, intermediate);
}

Layer::Layer(const model::LayerWeights& weights, const model::ModelConfig& config,
             const kernels::Kernels& kernels, float* memory)
    : kernels_(kernels),
      num_heads_(static_cast<size_t>(config.num_attention_heads)),
      head_dim_(static_cast<size_t>(config.head_dim())),
      activation_(ActivationEpilogue(config.hidden_act)),
      attention_norm_(weights.attention_norm, config.layer_norm_eps, kernels),
      output_norm_(weights.output_norm, config.layer_norm_eps, kernels) {
  const auto pack = [&](std::initializer_list<const model::Linear*> parts) {
    const kernels::PackedLinear packed = PackLinear(kernels, parts, memory);
    memory += kernels::PackedFloats(kernels, packed.n, packed.k);
    return packed;
  };
  query_key_value_ = pack({&weights.query, &weights.key, &weights.value});
  attention_output_ = pack({&weights.attention_output});
  intermediate_ = pack({&weights.intermediate});
  output_ = pack({&weights.output});
}

void Layer::Forward(const RaggedBatch& batch, const TeamMember& member,
                    Workspace& workspace) const {
  using kernels::Epilogue;
  const size_t num_tokens = batch.num_tokens();
  const MatrixView<float> hidden = workspace.hidden(num_tokens);
  const MatrixView<float> context = workspace.context(num_tokens);
  const MatrixView<float> intermediate = workspace.intermediate(num_tokens);

  Linear(query_key_value_, Epilogue::kStore, member, hidden, workspace.qkv(num_tokens));
  SelfAttention(batch, member, workspace);
  Linear(attention_output_, Epilogue::kAdd, member, context, hidden);
  attention_norm_.Forward(member, hidden);
  member.Meet();
  Linear(intermediate_, activation_, member, hidden, intermediate);
  Linear(output_, Epilogue::kAdd, member, intermediate, hidden);
  output_norm_.Forward(member, hidden);
  member.Meet();
}

void Layer::Linear(const kernels::PackedLinear& linear, kernels::Epilogue epilogue,
                   const TeamMember& member, MatrixView<const float> input,
                   MatrixView<float> output) const {
  const auto panels = member.Share(kernels::NumPanels(kernels_, linear.n));
  kernels_.linear({.input = input,
                   .linear = linear,
                   .output = output,
                   .epilogue = epilogue,
                   .first_panel = panels.begin,
                   .last_panel = panels.end});
  member.Meet();
}

void Layer::SelfAttention(const RaggedBatch& batch, const TeamMember& member,
                          Workspace& workspace) const {
  const size_t hidden_size = num_heads_ * head_dim_;
  const MatrixView<float> qkv = workspace.qkv(batch.num_tokens());
  const MatrixView<float> context = workspace.context(batch.num_tokens());
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim_));
  // Every head of every sequence is a piece of work of its own; they go round the team, because
  // sequences differ in length.
  const size_t pieces = batch.num_sequences() * num_heads_;
  for (size_t piece = static_cast<size_t>(member.rank); piece < pieces;
       piece += static_cast<size_t>(member.size)) {
    const size_t sequence = piece / num_heads_, column = piece % num_heads_ * head_dim_;
    const MatrixView<float> rows = qkv.Rows(batch.begin(sequence), batch.length(sequence));
    kernels_.attention(
        {.query = rows.Columns(column, head_dim_),
         .key = rows.Columns(hidden_size + column, head_dim_),
         .value = rows.Columns(2 * hidden_size + column, head_dim_),
         .context =
             context.Rows(batch.begin(sequence), batch.length(sequence)).Columns(column, head_dim_),
         .scale = scale,
         .scratch = workspace.attention_scratch(static_cast<size_t>(member.rank))});
  }
  member.Meet();
}

}  // namespace akin::encoder
