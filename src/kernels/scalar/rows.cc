#include "kernels/scalar/rows.h"

#include <cmath>
#include <cstddef>

namespace akin::kernels::scalar {
namespace {

// output row i = (x - mean) * scale * weight + bias, added if asked.
void ScaleRow(const NormArgs& args, size_t i, double mean, double scale) {
  for (size_t j = 0; j < args.input.cols(); ++j) {
    float y = static_cast<float>((args.input(i, j) - mean) * scale) * args.weight[j];
    if (args.bias != nullptr) y += args.bias[j];
    args.output(i, j) = args.add ? args.output(i, j) + y : y;
  }
}

double MeanSquare(std::span<const float> row, double mean) {
  double squares = 0.0;
  for (const float x : row) squares += (x - mean) * (x - mean);
  return squares / static_cast<double>(row.size());
}

}  // namespace

void LayerNorm(const NormArgs& args) {
  for (size_t i = 0; i < args.input.rows(); ++i) {
    double mean = 0.0;
    for (const float x : args.input.row(i)) mean += x;
    mean /= static_cast<double>(args.input.cols());
    ScaleRow(args, i, mean, 1.0 / std::sqrt(MeanSquare(args.input.row(i), mean) + args.eps));
  }
}

void RmsNorm(const NormArgs& args) {
  for (size_t i = 0; i < args.input.rows(); ++i)
    ScaleRow(args, i, 0.0, 1.0 / std::sqrt(MeanSquare(args.input.row(i), 0.0) + args.eps));
}

void Rotate(const RotaryArgs& args) {
  const size_t half = args.rotary_dim / 2;
  for (size_t i = 0; i < args.rows.rows(); ++i) {
    const std::span<const float> angles = args.cos_sin.row(i);
    for (size_t head = 0; head < args.rows.cols(); head += args.head_dim) {
      for (size_t d = 0; d < half; ++d) {
        float& x = args.rows(i, head + d);
        float& y = args.rows(i, head + half + d);
        const float turned = x * angles[d] - y * angles[half + d];
        y = y * angles[d] + x * angles[half + d];
        x = turned;
      }
    }
  }
}

}  // namespace akin::kernels::scalar
