#include "encoder/layer.h"

#include <algorithm>
#include <cmath>

#include "encoder/stage_work.h"

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

size_t Layer::PackedBytes(const model::ModelConfig& config, const kernels::Kernels& kernels) {
  const size_t hidden = static_cast<size_t>(config.hidden_size);
  const size_t intermediate = static_cast<size_t>(config.intermediate_size);
  return kernels::PackedBytes(kernels, 3 * hidden, hidden) +
         kernels::PackedBytes(kernels, hidden, hidden) +
         kernels::PackedBytes(kernels, intermediate, hidden) +
         kernels::PackedBytes(kernels, hidden, intermediate);
}

Layer::Layer(const model::LayerWeights& weights, const model::ModelConfig& config,
             const kernels::Kernels& kernels, std::byte* memory)
    : kernels_(kernels),
      num_heads_(static_cast<size_t>(config.num_attention_heads)),
      head_dim_(static_cast<size_t>(config.head_dim())),
      activation_(ActivationEpilogue(config.hidden_act)),
      attention_norm_(weights.attention_norm, config.layer_norm_eps, kernels),
      output_norm_(weights.output_norm, config.layer_norm_eps, kernels) {
  const auto pack = [&](std::initializer_list<const model::Linear*> parts) {
    const kernels::PackedLinear packed = PackLinear(kernels, parts, memory);
    memory += kernels::PackedBytes(kernels, packed.n, packed.k);
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
  const Activations& hidden = workspace.hidden();
  const Activations& context = workspace.context();
  const Activations& intermediate = workspace.intermediate();

  Linear(Stage::kQueryKeyValue, query_key_value_, Epilogue::kStore, member,
         hidden.operand(num_tokens), workspace.qkv().output(num_tokens));
  SelfAttention(batch, member, workspace);
  Prepare(context, num_tokens, member);
  Linear(Stage::kAttentionOutput, attention_output_, Epilogue::kAdd, member,
         context.operand(num_tokens), hidden.output(num_tokens));
  Normalize(attention_norm_, member, hidden, num_tokens);
  Linear(Stage::kIntermediate, intermediate_, activation_, member, hidden.operand(num_tokens),
         intermediate.output(num_tokens));
  Prepare(intermediate, num_tokens, member);
  Linear(Stage::kOutput, output_, Epilogue::kAdd, member, intermediate.operand(num_tokens),
         hidden.output(num_tokens));
  Normalize(output_norm_, member, hidden, num_tokens);
}

void Layer::Linear(Stage stage, const kernels::PackedLinear& linear, kernels::Epilogue epilogue,
                   const TeamMember& member, const kernels::Operand& input,
                   const kernels::Output& output) const {
  const auto panels = member.Share(kernels::NumPanels(kernels_, linear.n));
  const kernels::LinearArgs args{.input = input,
                                 .linear = linear,
                                 .output = output,
                                 .epilogue = epilogue,
                                 .first_panel = panels.begin,
                                 .last_panel = panels.end};
  kernels_.linear.linear(args);
  member.Lap(stage, WorkOf(kernels_, args));
  member.Meet();
}

void Layer::Prepare(const Activations& activations, size_t num_tokens,
                    const TeamMember& member) const {
  if (!activations.needs_preparing()) return;
  const auto rows = member.Share(num_tokens);
  activations.Prepare(kernels_, rows.begin, rows.end);
  member.Lap(Stage::kPrepare, WorkOnRows(rows.end - rows.begin, activations.cols()));
  member.Meet();
}

void Layer::Normalize(const LayerNorm& norm, const TeamMember& member, const Activations& hidden,
                      size_t num_tokens) const {
  constexpr size_t kBlock = 8;  // Rows that are still in the L1 cache when they are prepared.
  const auto rows = member.Share(num_tokens);
  for (size_t first = rows.begin; first < rows.end; first += kBlock) {
    const size_t last = std::min(first + kBlock, rows.end);
    norm.Forward(hidden.f32(num_tokens).Rows(first, last - first));
    hidden.Prepare(kernels_, first, last);
  }
  member.Lap(Stage::kNorm, WorkOnRows(rows.end - rows.begin, norm.size()));
  member.Meet();
}

void Layer::SelfAttention(const RaggedBatch& batch, const TeamMember& member,
                          Workspace& workspace) const {
  const size_t num_tokens = batch.num_tokens();
  if (kernels_.attention_bf16.attention != nullptr) {
    AttendTo<Bf16>(kernels_.attention_bf16, workspace.qkv().bf16(num_tokens), batch, member,
                   workspace);
  } else {
    AttendTo<float>(kernels_.attention, workspace.qkv().f32(num_tokens), batch, member, workspace);
  }
  member.Meet();
}

template <typename T>
void Layer::AttendTo(const kernels::AttentionKernels<T>& attention, MatrixView<const T> qkv,
                     const RaggedBatch& batch, const TeamMember& member,
                     Workspace& workspace) const {
  const size_t hidden_size = num_heads_ * head_dim_;
  const kernels::Output context = workspace.context().output(batch.num_tokens());
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim_));
  // Every head of every sequence is a piece of work of its own; they go round the team, because
  // sequences differ in length.
  const size_t pieces = batch.num_sequences() * num_heads_;
  StageWork work;
  for (size_t piece = static_cast<size_t>(member.rank); piece < pieces;
       piece += static_cast<size_t>(member.size)) {
    const size_t sequence = piece / num_heads_, column = piece % num_heads_ * head_dim_;
    const size_t begin = batch.begin(sequence), length = batch.length(sequence);
    const MatrixView<const T> rows = qkv.Rows(begin, length);
    kernels::AttentionArgs<T> args{
        .query = rows.Columns(column, head_dim_),
        .key = rows.Columns(hidden_size + column, head_dim_),
        .value = rows.Columns(2 * hidden_size + column, head_dim_),
        .context = {},
        .scale = scale,
        .scratch = workspace.attention_scratch(static_cast<size_t>(member.rank))};
    if (context.bf16.rows() > 0) {
      args.context.bf16 = context.bf16.Rows(begin, length).Columns(column, head_dim_);
    } else {
      args.context.f32 = context.f32.Rows(begin, length).Columns(column, head_dim_);
    }
    attention.attention(args);
    work += WorkOf(args);
  }
  member.Lap(Stage::kAttention, work);
}

}  // namespace akin::encoder
