#include "encoder/workspace.h"

#include <algorithm>

namespace akin::encoder {
namespace {

using Written = Activations::Written;

size_t ScratchFloats(const kernels::Kernels& kernels, size_t max_length, size_t head_dim) {
  constexpr size_t kLineFloats = 16;  // 64 bytes
  const auto scratch_floats = kernels.attention_bf16.attention != nullptr
                                  ? kernels.attention_bf16.scratch_floats
                                  : kernels.attention.scratch_floats;
  return (scratch_floats(max_length, head_dim) + kLineFloats - 1) / kLineFloats * kLineFloats;
}

}  // namespace

Workspace::Workspace(const model::ModelConfig& config, const kernels::Kernels& kernels,
                     size_t max_tokens, size_t max_length, size_t team_size)
    : scratch_floats_(ScratchFloats(kernels, max_length, static_cast<size_t>(config.head_dim()))) {
  const size_t hidden_size = static_cast<size_t>(config.hidden_size);
  const size_t intermediate_size = static_cast<size_t>(config.intermediate_size);
  const bool attend_in_bf16 = kernels.attention_bf16.attention != nullptr;
  const bool read_bf16 = kernels.linear.operand == kernels::OperandKind::kBf16;
  const auto in_bf16 = [](bool bf16) { return bf16 ? Written::kBf16 : Written::kF32; };
  hidden_ = {max_tokens, hidden_size, Written::kF32, kernels};
  qkv_ = {max_tokens, 3 * hidden_size, in_bf16(attend_in_bf16), kernels};
  context_ = {max_tokens, hidden_size, in_bf16(attend_in_bf16 && read_bf16), kernels};
  intermediate_ = {max_tokens, intermediate_size, in_bf16(read_bf16), kernels};

  Activations* const parts[] = {&hidden_, &qkv_, &context_, &intermediate_};
  size_t bytes = scratch_floats_ * team_size * sizeof(float);
  for (const Activations* part : parts) bytes += part->bytes();
  memory_ = AlignedBuffer(bytes);
  std::byte* next = memory_.As<std::byte>().data();
  for (Activations* part : parts) {
    part->Place(next);
    next += part->bytes();
  }
  attention_scratch_ = {reinterpret_cast<float*>(next), scratch_floats_ * team_size};
}

}  // namespace akin::encoder
