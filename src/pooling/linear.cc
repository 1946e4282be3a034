#include "pooling/linear.h"

#include <algorithm>
#include <vector>

namespace akin::pooling {
namespace {

using kernels::OperandKind;

size_t OperandRowBytes(const kernels::Kernels& kernels, size_t k) {
  constexpr size_t kLine = 64;
  switch (kernels.linear.operand) {
    case OperandKind::kF32: return 0;
    case OperandKind::kBf16: return ((k + 1) / 2 * 2 * sizeof(Bf16) + kLine - 1) / kLine * kLine;
    case OperandKind::kQuantized: return kernels.linear.operand_bytes(k);
  }
  return 0;
}

size_t Rows(const model::Tensor& weight) { return static_cast<size_t>(weight.shape[0]); }
size_t Columns(const model::Tensor& weight) { return static_cast<size_t>(weight.shape[1]); }

size_t PackedBytes(const model::Tensor& weight, const kernels::Kernels& kernels) {
  return kernels::PackedBytes(kernels, Rows(weight), Columns(weight));
}

}  // namespace

size_t Linear::MemoryBytes(const model::Tensor& weight, const kernels::Kernels& kernels) {
  return AlignedBuffer::AllocatedBytes(PackedBytes(weight, kernels));
}

size_t Linear::OperandBytes(const model::Tensor& weight, const kernels::Kernels& kernels,
                            size_t rows) {
  return rows * OperandRowBytes(kernels, Columns(weight));
}

Linear::Linear(const model::Tensor& weight, const model::Tensor& bias,
               const kernels::Kernels& kernels)
    : kernels_(kernels) {
  const size_t n = Rows(weight), k = Columns(weight);
  const size_t width = kernels.linear.panel_width, panel_bytes = kernels.linear.panel_bytes(k);
  memory_ = AlignedBuffer(PackedBytes(weight, kernels));
  std::byte* panel = memory_.As<std::byte>().data();
  packed_ = {.panels = panel, .n = n, .k = k};
  std::vector<float> rows(width * k), biases(width);
  for (size_t first = 0; first < n; first += width, panel += panel_bytes) {
    const size_t count = std::min(width, n - first);
    std::ranges::fill(rows, 0.0f);
    std::ranges::fill(biases, 0.0f);
    model::ReadF32(weight, static_cast<int64_t>(first * k), std::span(rows).first(count * k));
    if (!bias.empty())
      model::ReadF32(bias, static_cast<int64_t>(first), std::span(biases).first(count));
    kernels.linear.pack_panel({rows.data(), width, k}, biases, panel);
  }
  model::DropPages(weight);
}

size_t Linear::OperandBytes(size_t rows) const {
  return rows * OperandRowBytes(kernels_, packed_.k);
}

kernels::Operand Linear::Prepare(MatrixView<const float> in, const TeamMember& member,
                                 std::span<std::byte> memory) const {
  if (kernels_.linear.operand == OperandKind::kF32) {
    return {reinterpret_cast<const std::byte*>(in.data()), in.rows(), in.stride() * sizeof(float)};
  }
  const size_t row_bytes = OperandRowBytes(kernels_, packed_.k);
  const auto share = member.Share(in.rows());
  const MatrixView<const float> rows = in.Rows(share.begin, share.end - share.begin);
  std::byte* const operand = memory.data() + share.begin * row_bytes;
  if (kernels_.linear.operand == OperandKind::kQuantized) {
    kernels_.linear.quantize_rows(rows, operand);
  } else {
    kernels_.to_bf16(
        rows, {reinterpret_cast<Bf16*>(operand), rows.rows(), packed_.k, row_bytes / sizeof(Bf16)});
  }
  return {memory.data(), in.rows(), row_bytes};
}

void Linear::Multiply(const kernels::Operand& in, size_t first, size_t last,
                      MatrixView<float> out) const {
  // The panels from `first` on as a layer of their own, whose first column is out's.
  const size_t first_column = first * panel_width();
  const kernels::PackedLinear part{
      .panels = packed_.panels + first * kernels_.linear.panel_bytes(packed_.k),
      .n = std::min(packed_.n, last * panel_width()) - first_column,
      .k = packed_.k};
  kernels_.linear.linear({.input = in,
                          .linear = part,
                          .output = {.f32 = out, .bf16 = {}},
                          .epilogue = kernels::Epilogue::kStore,
                          .first_panel = 0,
                          .last_panel = last - first});
}

}  // namespace akin::pooling
