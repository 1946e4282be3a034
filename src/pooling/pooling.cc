#include "pooling/pooling.h"

#include <algorithm>
#include <cmath>

namespace akin::pooling {
namespace {

void Add(std::span<const float> row, float weight, std::span<float> sum) {
  for (size_t j = 0; j < sum.size(); ++j) sum[j] += weight * row[j];
}

void Scale(float factor, std::span<float> vector) {
  for (float& x : vector) x *= factor;
}

// The sum of all rows times `factor`.
void ScaledSum(MatrixView<const float> states, float factor, std::span<float> vector) {
  std::fill(vector.begin(), vector.end(), 0.0f);
  for (size_t i = 0; i < states.rows(); ++i) Add(states.row(i), 1.0f, vector);
  Scale(factor, vector);
}

// Weights grow with the position: 1, 2, 3, ... (Muennighoff, "SGPT", 2022). What is left out in
// front keeps its places.
void WeightedMean(MatrixView<const float> states, size_t first_position, std::span<float> vector) {
  std::fill(vector.begin(), vector.end(), 0.0f);
  const float first = static_cast<float>(first_position);
  for (size_t i = 0; i < states.rows(); ++i)
    Add(states.row(i), first + static_cast<float>(i + 1), vector);
  const float rows = static_cast<float>(states.rows());
  Scale(1.0f / (rows * first + rows * (rows + 1.0f) / 2.0f), vector);
}

void Max(MatrixView<const float> states, std::span<float> vector) {
  std::copy_n(states.data(), vector.size(), vector.begin());
  for (size_t i = 1; i < states.rows(); ++i) {
    const std::span<const float> row = states.row(i);
    for (size_t j = 0; j < vector.size(); ++j)
      // A NaN stays one.
      if (row[j] > vector[j] || std::isnan(row[j])) vector[j] = row[j];
  }
}

void PoolOne(PoolingMode mode, MatrixView<const float> states, size_t first_position,
             std::span<float> vector) {
  const float length = static_cast<float>(states.rows());
  switch (mode) {
    case PoolingMode::kCls: std::ranges::copy(states.row(0), vector.begin()); return;
    case PoolingMode::kMax: Max(states, vector); return;
    case PoolingMode::kMean: ScaledSum(states, 1.0f / length, vector); return;
    case PoolingMode::kMeanSqrtLen: ScaledSum(states, 1.0f / std::sqrt(length), vector); return;
    case PoolingMode::kWeightedMean: WeightedMean(states, first_position, vector); return;
    case PoolingMode::kLastToken:
      std::ranges::copy(states.row(states.rows() - 1), vector.begin());
      return;
    case PoolingMode::kSplade: return;  // Not one of a module's modes (model/modules.cc).
  }
}

}  // namespace

void Pool(std::span<const PoolingMode> modes, MatrixView<const float> states, size_t first_position,
          std::span<float> vector) {
  for (size_t i = 0; i < modes.size(); ++i) {
    PoolOne(modes[i], states, first_position, vector.subspan(i * states.cols(), states.cols()));
  }
}

void Normalize(std::span<float> vector) {
  constexpr double kMinNorm = 1e-12;
  double squares = 0.0;
  for (const float x : vector) squares += double{x} * double{x};
  // As far from 1 as the roundings of a scale and of what it scales can take it.
  constexpr double kRoundings = 0x1p-22;
  if (std::abs(squares - 1.0) <= kRoundings) return;
  Scale(static_cast<float>(1.0 / std::max(std::sqrt(squares), kMinNorm)), vector);
}

}  // namespace akin::pooling
