// What a precision's product is: how weights are packed, how rows are read, and the sum over k of
// one row with one panel of sixteen columns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "akin/matrix_view.h"

#include "base/bf16.h"
#include "kernels/kernels.h"

namespace akin::kernels::scalar {

constexpr size_t kPanelWidth = 16;
using PanelSums = std::array<float, kPanelWidth>;

// Panel: bias, then [k] rows of the columns' weights.
struct F32Product {
  static constexpr OperandKind kOperand = OperandKind::kF32;
  static size_t PanelBytes(size_t k);
  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel);
  static PanelSums Multiply(const std::byte* row, const std::byte* panel, size_t k);
};

struct Bf16Product {
  static constexpr OperandKind kOperand = OperandKind::kBf16;
  static size_t PanelBytes(size_t k);
  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel);
  static PanelSums Multiply(const std::byte* row, const std::byte* panel, size_t k);
};

// x = high + low with two bf16 parts, and x w = high high + low high + high low; the product of the
// low parts is below f32's own rounding. A row is [k] high parts, then [k] low parts; a row of a
// panel likewise.
struct Bf16x3Product {
  static constexpr OperandKind kOperand = OperandKind::kQuantized;
  static size_t PanelBytes(size_t k);
  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel);
  static size_t RowBytes(size_t k);
  static void QuantizeRows(MatrixView<const float> rows, std::byte* operand);
  static PanelSums Multiply(const std::byte* row, const std::byte* panel, size_t k);
};

// Rotated rows in bf16. Panel: bias, a scale for each column, then [k] rows of int8.
struct W8Product {
  static constexpr OperandKind kOperand = OperandKind::kQuantized;
  static size_t PanelBytes(size_t k);
  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel);
  static size_t RowBytes(size_t k);
  static void QuantizeRows(MatrixView<const float> rows, std::byte* operand);
  static PanelSums Multiply(const std::byte* row, const std::byte* panel, size_t k);
};

// Rows and columns as integers.h has them. Panel: bias, then for each group a scale for each column
// and [group] rows of weights.
template <typename Weight>
struct IntegerProduct {
  static constexpr OperandKind kOperand = OperandKind::kQuantized;
  static size_t PanelBytes(size_t k);
  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel);
  static size_t RowBytes(size_t k);
  static void QuantizeRows(MatrixView<const float> rows, std::byte* operand);
  static PanelSums Multiply(const std::byte* row, const std::byte* panel, size_t k);
};
using Int8Product = IntegerProduct<int8_t>;    // Rows are unsigned, kZero above their values.
using Int16Product = IntegerProduct<int16_t>;  // Rows are signed.

}  // namespace akin::kernels::scalar
