// What a call of a kernel computes and moves, for the stage clock (base/stage_clock.h).
#pragma once

#include <type_traits>

#include "base/stage_clock.h"
#include "kernels/kernels.h"

namespace akin::encoder {

// The product of `args` alone, its epilogue not counted: two operations a weight and row; every
// weight, input and output once.
inline StageWork WorkOf(const kernels::Kernels& kernels, const kernels::LinearArgs& args) {
  const auto panels = static_cast<double>(args.last_panel - args.first_panel);
  const double share = panels / static_cast<double>(kernels::NumPanels(kernels, args.linear));
  const auto rows = static_cast<double>(args.input.rows), k = static_cast<double>(args.linear.k);
  const double outputs = share * static_cast<double>(args.linear.n);
  const double columns = args.linear.gated ? 2 * outputs : outputs;
  const double output_bytes = args.output.f32.rows() > 0 ? sizeof(float) : sizeof(Bf16);
  const double touches = args.epilogue == kernels::Epilogue::kAdd ? 2 : 1;
  const double weights = (args.linear.gated ? 2 : 1) * columns * k;
  return {.operations = 2 * rows * weights,
          .bytes = panels * static_cast<double>(kernels.linear.panel_bytes(args.linear.k)) +
                   rows * static_cast<double>(args.input.row_bytes) +
                   touches * rows * outputs * output_bytes,
          .arithmetic = kernels.precision};
}

// Two products of every pair of tokens, whatever is skipped of them.
template <typename T>
StageWork WorkOf(const kernels::AttentionArgs<T>& args) {
  const auto length = static_cast<double>(args.query.rows());
  const auto head_dim = static_cast<double>(args.query.cols());
  return {.operations = 4 * length * length * head_dim,
          .bytes = 4 * length * head_dim * sizeof(T),
          .arithmetic = std::is_same_v<T, Bf16> ? Precision::kBf16 : Precision::kF32};
}

// Rows of f32 that are read and written once.
inline StageWork WorkOnRows(size_t rows, size_t cols) {
  return {.bytes = 2.0 * static_cast<double>(rows * cols * sizeof(float))};
}

inline StageWork& operator+=(StageWork& sum, const StageWork& more) {
  sum.operations += more.operations;
  sum.bytes += more.bytes;
  sum.arithmetic = more.arithmetic;
  return sum;
}

}  // namespace akin::encoder
