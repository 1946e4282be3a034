#include "encoder/workspace.h"

#include <algorithm>

namespace akin::encoder {
namespace {

using Written = Activations::Written;

// Of the kernels that a model's layers may take: attention, and attention with a pattern.
size_t ScratchFloats(const model::ModelConfig& config, const kernels::Kernels& kernels,
                     size_t max_length) {
  constexpr size_t kLineFloats = 16;  // 64 bytes
  const size_t head_dim = static_cast<size_t>(config.head_dim);
  const size_t position_rows =
      config.disentangled ? 2 * static_cast<size_t>(config.disentangled->span()) : 0;
  const bool bf16 = kernels.attention_bf16.attention != nullptr;
  const auto plain =
      bf16 ? kernels.attention_bf16.scratch_floats : kernels.attention.scratch_floats;
  const auto patterned = bf16 ? kernels.patterned_attention_bf16.scratch_floats
                              : kernels.patterned_attention.scratch_floats;
  const size_t floats =
      std::max(plain(max_length, head_dim), patterned(max_length, head_dim, position_rows));
  return (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
}

}  // namespace

Workspace::Workspace(const model::ModelConfig& config, const kernels::Kernels& kernels,
                     size_t max_tokens, size_t max_length, Unplaced)
    : scratch_floats_(ScratchFloats(config, kernels, max_length)) {
  using model::NormPlacement;
  const auto size = [](int x) { return static_cast<size_t>(x); };
  const size_t hidden_size = size(config.hidden_size);
  const size_t query_size = size(config.num_attention_heads) * size(config.head_dim);
  const size_t qkv_size = query_size + 2 * size(config.num_key_value_heads) * size(config.head_dim);
  const bool attend_in_bf16 = kernels.attention_bf16.attention != nullptr;
  const bool read_bf16 = kernels.linear.operand == kernels::OperandKind::kBf16;
  const bool turns = config.turns_positions();
  const auto in_bf16 = [](bool bf16) { return bf16 ? Written::kBf16 : Written::kF32; };
  hidden_ = {max_tokens, hidden_size, Written::kF32, kernels};
  if (config.norm_placement != NormPlacement::kPost)
    attention_input_ = {max_tokens, hidden_size, Written::kF32, kernels};
  if (config.norm_placement == NormPlacement::kParallel)
    feed_forward_input_ = {max_tokens, hidden_size, Written::kF32, kernels};
  if (config.norm_placement == NormPlacement::kSandwich || config.convolution)
    branch_ = {max_tokens, hidden_size, Written::kF32, kernels};
  if (config.convolution) {
    unfolded_ = {max_tokens, hidden_size * size(config.convolution->kernel_size), Written::kF32,
                 kernels};
  }
  if (config.embedding_projection)
    embedded_ = {max_tokens, size(config.embedding_size), Written::kF32, kernels};
  qkv_ = {max_tokens, qkv_size, in_bf16(attend_in_bf16 && !turns), kernels};
  if (attend_in_bf16 && turns) turned_ = {max_tokens, qkv_size, Written::kBf16, kernels};
  context_ = {max_tokens, query_size, in_bf16(attend_in_bf16 && read_bf16), kernels};
  intermediate_ = {max_tokens, size(config.intermediate_size), in_bf16(read_bf16), kernels};
}

std::array<Activations*, 10> Workspace::Parts() {
  return {
      &hidden_, &attention_input_, &feed_forward_input_, &branch_, &unfolded_, &embedded_, &qkv_,
      &turned_, &context_,         &intermediate_};
}

size_t Workspace::PlacedBytes(size_t team_size) {
  size_t bytes = scratch_floats_ * team_size * sizeof(float);
  for (const Activations* part : Parts()) bytes += part->bytes();
  return bytes;
}

Workspace::Size Workspace::SizeOf(const model::ModelConfig& config, const kernels::Kernels& kernels,
                                  size_t max_tokens, size_t max_length, size_t team_size) {
  Workspace workspace(config, kernels, max_tokens, max_length, Unplaced{});
  size_t num_parts = team_size;
  for (const Activations* part : workspace.Parts()) num_parts += part->bytes() > 0 ? 1 : 0;
  return {workspace.PlacedBytes(team_size), num_parts};
}

Workspace::Workspace(const model::ModelConfig& config, const kernels::Kernels& kernels,
                     size_t max_tokens, size_t max_length, size_t team_size)
    : Workspace(config, kernels, max_tokens, max_length, Unplaced{}) {
  memory_ = AlignedBuffer(PlacedBytes(team_size));
  std::byte* next = memory_.As<std::byte>().data();
  for (Activations* part : Parts()) {
    part->Place(next);
    next += part->bytes();
  }
  attention_scratch_ = {reinterpret_cast<float*>(next), scratch_floats_ * team_size};
}

}  // namespace akin::encoder
