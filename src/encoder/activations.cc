#include "encoder/activations.h"

namespace akin::encoder {
namespace {

using kernels::OperandKind;

constexpr size_t kLineBytes = 64;

// Rows begin on cache lines, an odd number of lines apart: the same column of a tile's rows then
// falls into different sets of the L1 cache.
size_t RowBytes(size_t bytes) {
  const size_t lines = (bytes + kLineBytes - 1) / kLineBytes;
  return (lines | 1) * kLineBytes;
}

}  // namespace

Activations::Activations(size_t max_tokens, size_t cols, Written written,
                         const kernels::Kernels& kernels)
    : max_tokens_(max_tokens), cols_(cols), written_(written), kind_(kernels.linear.operand) {
  const size_t element = written == Written::kF32 ? sizeof(float) : sizeof(Bf16);
  // Of an odd last column in bf16, a product reads the neighbour too.
  const size_t written_row = RowBytes((cols + 1) / 2 * 2 * element);
  written_bytes_ = written_row * max_tokens;
  switch (kind_) {
    case OperandKind::kF32: row_bytes_ = written_row; break;
    case OperandKind::kBf16: row_bytes_ = RowBytes((cols + 1) / 2 * 2 * sizeof(Bf16)); break;
    case OperandKind::kQuantized: row_bytes_ = kernels.linear.operand_bytes(cols); break;
  }
  const bool same =
      kind_ == OperandKind::kF32 || (kind_ == OperandKind::kBf16 && written == Written::kBf16);
  operand_bytes_ = same ? 0 : row_bytes_ * max_tokens;
}

void Activations::Place(std::byte* memory) {
  const size_t stride = max_tokens_ > 0 ? written_bytes_ / max_tokens_ : 0;
  if (written_ == Written::kF32) {
    f32_ = {reinterpret_cast<float*>(memory), max_tokens_, cols_, stride / sizeof(float)};
  } else {
    bf16_ = {reinterpret_cast<Bf16*>(memory), max_tokens_, cols_, stride / sizeof(Bf16)};
    // The neighbour of an odd last column is zero; kernels never write it.
    if (cols_ % 2 == 1) {
      for (size_t row = 0; row < max_tokens_; ++row) bf16_.row(row).data()[cols_] = Bf16{};
    }
  }
  operand_ = operand_bytes_ > 0 ? memory + written_bytes_ : memory;
}

kernels::Output Activations::output(size_t num_tokens) const {
  if (written_ == Written::kF32) return {.f32 = f32(num_tokens), .bf16 = {}};
  return {.f32 = {}, .bf16 = bf16(num_tokens)};
}

void Activations::Prepare(const kernels::Kernels& kernels, size_t first_row,
                          size_t last_row) const {
  if (!needs_preparing()) return;
  const MatrixView<const float> rows = f32_.Rows(first_row, last_row - first_row);
  std::byte* operand = operand_ + first_row * row_bytes_;
  if (kind_ == OperandKind::kQuantized) {
    kernels.linear.quantize_rows(rows, operand);
  } else {
    kernels.to_bf16(
        rows, {reinterpret_cast<Bf16*>(operand), rows.rows(), cols_, row_bytes_ / sizeof(Bf16)});
  }
}

}  // namespace akin::encoder
