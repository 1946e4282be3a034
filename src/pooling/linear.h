// y = x W^T + b on the packed kernels, for rows of f32.
#pragma once

#include <cstddef>
#include <span>

#include "akin/matrix_view.h"

#include "base/aligned_buffer.h"
#include "base/team.h"
#include "kernels/kernels.h"
#include "model/tensor.h"

namespace akin::pooling {

class Linear {
 public:
  // `weight` [n, k]; `bias` [n], or empty. They are copied.
  Linear(const model::Tensor& weight, const model::Tensor& bias, const kernels::Kernels& kernels);

  size_t n() const { return packed_.n; }
  size_t k() const { return packed_.k; }
  // What one holds for `weight`, and OperandBytes of it.
  static size_t MemoryBytes(const model::Tensor& weight, const kernels::Kernels& kernels);
  static size_t OperandBytes(const model::Tensor& weight, const kernels::Kernels& kernels,
                             size_t rows);

  // Of `rows` rows of input as the products read them; 0 where they read them as they are.
  size_t OperandBytes(size_t rows) const;
  // Makes this member's share of them. The team meets before anybody reads the result.
  kernels::Operand Prepare(MatrixView<const float> in, const TeamMember& member,
                           std::span<std::byte> memory) const;

  size_t num_panels() const { return kernels::NumPanels(kernels_, packed_.n); }
  size_t panel_width() const { return kernels_.linear.panel_width; }
  // Panels [first, last) of all rows, into `out` [rows, their columns].
  void Multiply(const kernels::Operand& in, size_t first, size_t last, MatrixView<float> out) const;

 private:
  kernels::Kernels kernels_;
  AlignedBuffer memory_;
  kernels::PackedLinear packed_;
};

}  // namespace akin::pooling
