#include "encoder/workspace.h"

#include <algorithm>

namespace akin::encoder {
namespace {

constexpr size_t kLineFloats = 16;  // 64 bytes

size_t RoundUp(size_t x, size_t multiple) { return (x + multiple - 1) / multiple * multiple; }

// Rows begin on cache lines, an odd number of lines apart: the same column of a tile's rows then
// falls into different sets of the L1 cache.
size_t RowStride(size_t cols) {
  const size_t lines = (cols + kLineFloats - 1) / kLineFloats;
  return (lines | 1) * kLineFloats;
}

}  // namespace

Workspace::Workspace(const model::ModelConfig& config, const kernels::Kernels& kernels,
                     size_t max_tokens, size_t max_length, size_t team_size)
    : max_tokens_(max_tokens),
      scratch_floats_(RoundUp(
          kernels.attention_scratch_floats(max_length, static_cast<size_t>(config.head_dim())),
          kLineFloats)) {
  const size_t hidden_size = static_cast<size_t>(config.hidden_size);
  const size_t intermediate_size = static_cast<size_t>(config.intermediate_size);
  const size_t row_floats =
      2 * RowStride(hidden_size) + RowStride(3 * hidden_size) + RowStride(intermediate_size);
  memory_ = AlignedBuffer((row_floats * max_tokens + scratch_floats_ * team_size) * sizeof(float));
  float* next = memory_.As<float>().data();
  const auto take = [&](size_t cols) {
    const MatrixView<float> matrix(next, max_tokens, cols, RowStride(cols));
    next += max_tokens * RowStride(cols);
    return matrix;
  };
  hidden_ = take(hidden_size);
  qkv_ = take(3 * hidden_size);
  context_ = take(hidden_size);
  intermediate_ = take(intermediate_size);
  attention_scratch_ = {next, scratch_floats_ * team_size};
}

}  // namespace akin::encoder
