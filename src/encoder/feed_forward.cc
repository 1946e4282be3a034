#include "encoder/feed_forward.h"

#include "encoder/product.h"

namespace akin::encoder {

kernels::Epilogue ActivationEpilogue(model::Activation activation) {
  switch (activation) {
    case model::Activation::kGelu: return kernels::Epilogue::kGelu;
    case model::Activation::kGeluTanh: return kernels::Epilogue::kGeluTanh;
    case model::Activation::kRelu: return kernels::Epilogue::kRelu;
    case model::Activation::kSilu: return kernels::Epilogue::kSilu;
    case model::Activation::kQuickGelu: return kernels::Epilogue::kQuickGelu;
  }
  return kernels::Epilogue::kGelu;
}

namespace {

LinearSource Intermediate(const model::LayerWeights& weights) {
  return weights.gate.empty() ? LinearSource::SideBySide({&weights.intermediate})
                              : LinearSource::Gated(weights.gate, weights.intermediate);
}

LinearSource Output(const model::LayerWeights& weights) {
  return LinearSource::SideBySide({&weights.output});
}

}  // namespace

size_t FeedForward::PackedBytes(const model::LayerWeights& weights,
                                const kernels::Kernels& kernels) {
  return Intermediate(weights).PackedBytes(kernels) + Output(weights).PackedBytes(kernels);
}

FeedForward::FeedForward(const model::LayerWeights& weights, const model::ModelConfig& config,
                         const kernels::Kernels& kernels, WeightArena& arena)
    : kernels_(kernels),
      activation_(ActivationEpilogue(config.hidden_act)),
      intermediate_(arena.Add(Intermediate(weights))),
      reads_hidden_(config.norm_placement == model::NormPlacement::kPost),
      has_branch_(!weights.feed_forward_branch_norm.empty()) {
  output_ = arena.Add(Output(weights));
}

void FeedForward::Forward(size_t num_rows, const TeamMember& member,
                          const Workspace& workspace) const {
  const Activations& input = reads_hidden_ ? workspace.hidden() : workspace.feed_forward_input();
  const Activations& intermediate = workspace.intermediate();
  Multiply(kernels_, Stage::kIntermediate, member,
           {.input = input.operand(num_rows),
            .linear = intermediate_,
            .output = intermediate.output(num_rows),
            .epilogue = activation_});
  Prepare(kernels_, intermediate, num_rows, member);
  Multiply(kernels_, Stage::kOutput, member,
           {.input = intermediate.operand(num_rows),
            .linear = output_,
            .output = (has_branch_ ? workspace.branch() : workspace.hidden()).output(num_rows),
            .epilogue = has_branch_ ? kernels::Epilogue::kStore : kernels::Epilogue::kAdd});
}

}  // namespace akin::encoder
