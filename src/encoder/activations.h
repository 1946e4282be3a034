#pragma once

#include <cstddef>

#include "akin/matrix_view.h"

#include "base/bf16.h"
#include "kernels/kernels.h"

namespace akin::encoder {

// A matrix of activations [max_tokens, cols], as a kernel writes it and as the next product reads
// it. Where these are the same it is one matrix; elsewhere Prepare makes the second of the first.
class Activations {
 public:
  // What a kernel writes it in.
  enum class Written { kF32, kBf16 };

  Activations() = default;
  Activations(size_t max_tokens, size_t cols, Written written, const kernels::Kernels& kernels);

  size_t cols() const { return cols_; }
  size_t bytes() const { return written_bytes_ + operand_bytes_; }
  // `memory` has bytes() bytes and is 64-byte aligned.
  void Place(std::byte* memory);

  // The first `num_tokens` rows.
  kernels::Output output(size_t num_tokens) const;
  MatrixView<float> f32(size_t num_tokens) const { return f32_.Rows(0, num_tokens); }
  MatrixView<Bf16> bf16(size_t num_tokens) const { return bf16_.Rows(0, num_tokens); }
  kernels::Operand operand(size_t num_tokens) const { return {operand_, num_tokens, row_bytes_}; }

  // Whether rows have to be prepared before a product reads them.
  bool needs_preparing() const { return operand_bytes_ > 0; }
  void Prepare(const kernels::Kernels& kernels, size_t first_row, size_t last_row) const;

 private:
  size_t max_tokens_ = 0;
  size_t cols_ = 0;
  Written written_ = Written::kF32;
  kernels::OperandKind kind_ = kernels::OperandKind::kF32;
  size_t written_bytes_ = 0;
  size_t operand_bytes_ = 0;  // 0 where the operand is what was written.
  size_t row_bytes_ = 0;      // Of the operand.
  MatrixView<float> f32_;
  MatrixView<Bf16> bf16_;
  std::byte* operand_ = nullptr;
};

}  // namespace akin::encoder
