#include "kernels/scalar/products.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/integers.h"

namespace akin::kernels::scalar {
namespace {

template <typename T>
const T* At(const std::byte* p, size_t offset = 0) {
  return reinterpret_cast<const T*>(p + offset);
}
template <typename T>
T* At(std::byte* p, size_t offset = 0) {
  return reinterpret_cast<T*>(p + offset);
}

constexpr size_t kColumnBytes = kPanelWidth * sizeof(float);  // One f32 a column.

size_t WholeLines(size_t bytes) { return (bytes + 63) / 64 * 64; }

void CopyBias(std::span<const float> bias, std::byte* panel) {
  std::ranges::copy(bias, At<float>(panel));
}

PanelSums Bias(const std::byte* panel) {
  PanelSums sums;
  std::copy_n(At<float>(panel), kPanelWidth, sums.begin());
  return sums;
}

void AddTo(PanelSums& sums, const PanelSums& more) {
  for (size_t j = 0; j < kPanelWidth; ++j) sums[j] += more[j];
}

// Weights of one output -> their column in a panel; returns their scale.
template <typename Weight>
float QuantizeColumn(std::span<const float> weights, Weight* column) {
  const float scale = WeightScale<Weight>(weights);
  std::vector<Weight> quantized(weights.size());
  QuantizeWeights(weights, scale, quantized.data());
  for (size_t i = 0; i < weights.size(); ++i) column[i * kPanelWidth] = quantized[i];
  return scale;
}

Bf16 LowPart(float x) { return Bf16::From(x - Bf16::From(x).ToFloat()); }

}  // namespace

size_t F32Product::PanelBytes(size_t k) { return kColumnBytes * (1 + k); }

void F32Product::PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                           std::byte* panel) {
  CopyBias(bias, panel);
  float* out = At<float>(panel, kColumnBytes);
  for (size_t k = 0; k < rows.cols(); ++k) {
    for (size_t j = 0; j < kPanelWidth; ++j) *out++ = rows(j, k);
  }
}

PanelSums F32Product::Multiply(const std::byte* row, const std::byte* panel, size_t k) {
  const float* x = At<float>(row);
  const float* weights = At<float>(panel, kColumnBytes);
  PanelSums sums{};
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < kPanelWidth; ++j) sums[j] += x[i] * weights[i * kPanelWidth + j];
  }
  AddTo(sums, Bias(panel));
  return sums;
}

size_t Bf16Product::PanelBytes(size_t k) {
  return WholeLines(kColumnBytes + k * kPanelWidth * sizeof(Bf16));
}

void Bf16Product::PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                            std::byte* panel) {
  CopyBias(bias, panel);
  Bf16* out = At<Bf16>(panel, kColumnBytes);
  for (size_t k = 0; k < rows.cols(); ++k) {
    for (size_t j = 0; j < kPanelWidth; ++j) *out++ = Bf16::From(rows(j, k));
  }
}

PanelSums Bf16Product::Multiply(const std::byte* row, const std::byte* panel, size_t k) {
  const Bf16* x = At<Bf16>(row);
  const Bf16* weights = At<Bf16>(panel, kColumnBytes);
  PanelSums sums{};
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < kPanelWidth; ++j)
      sums[j] += x[i].ToFloat() * weights[i * kPanelWidth + j].ToFloat();
  }
  AddTo(sums, Bias(panel));
  return sums;
}

size_t Bf16x3Product::PanelBytes(size_t k) {
  return WholeLines(kColumnBytes + 2 * k * kPanelWidth * sizeof(Bf16));
}

void Bf16x3Product::PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                              std::byte* panel) {
  CopyBias(bias, panel);
  Bf16* out = At<Bf16>(panel, kColumnBytes);
  for (size_t k = 0; k < rows.cols(); ++k) {
    for (size_t j = 0; j < kPanelWidth; ++j) *out++ = Bf16::From(rows(j, k));
    for (size_t j = 0; j < kPanelWidth; ++j) *out++ = LowPart(rows(j, k));
  }
}

size_t Bf16x3Product::RowBytes(size_t k) { return WholeLines(2 * k * sizeof(Bf16)); }

void Bf16x3Product::QuantizeRows(MatrixView<const float> rows, std::byte* operand) {
  const size_t k = rows.cols();
  for (size_t i = 0; i < rows.rows(); ++i) {
    Bf16* out = At<Bf16>(operand, i * RowBytes(k));
    std::ranges::transform(rows.row(i), out, Bf16::From);
    std::ranges::transform(rows.row(i), out + k, LowPart);
  }
}

PanelSums Bf16x3Product::Multiply(const std::byte* row, const std::byte* panel, size_t k) {
  const Bf16* high = At<Bf16>(row);
  const Bf16* low = high + k;
  const Bf16* weights = At<Bf16>(panel, kColumnBytes);
  PanelSums sums{};
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < kPanelWidth; ++j) {
      const float w_high = weights[2 * i * kPanelWidth + j].ToFloat();
      const float w_low = weights[(2 * i + 1) * kPanelWidth + j].ToFloat();
      sums[j] += high[i].ToFloat() * w_high;
      sums[j] += low[i].ToFloat() * w_high;
      sums[j] += high[i].ToFloat() * w_low;
    }
  }
  AddTo(sums, Bias(panel));
  return sums;
}

size_t W8Product::PanelBytes(size_t k) { return WholeLines(2 * kColumnBytes + k * kPanelWidth); }

void W8Product::PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                          std::byte* panel) {
  CopyBias(bias, panel);
  float* scales = At<float>(panel, kColumnBytes);
  int8_t* out = At<int8_t>(panel, 2 * kColumnBytes);
  std::vector<float> column(rows.cols());
  for (size_t j = 0; j < kPanelWidth; ++j) {
    RotateWeights(rows.row(j), RotationOf(rows.cols()), column.data());
    scales[j] = QuantizeColumn(column, out + j);
  }
}

size_t W8Product::RowBytes(size_t k) { return WholeLines(k * sizeof(Bf16)); }

void W8Product::QuantizeRows(MatrixView<const float> rows, std::byte* operand) {
  std::vector<float> x(rows.cols());
  for (size_t i = 0; i < rows.rows(); ++i) {
    std::ranges::copy(rows.row(i), x.begin());
    Rotate(x, RotationOf(rows.cols()));
    std::ranges::transform(x, At<Bf16>(operand, i * RowBytes(rows.cols())), Bf16::From);
  }
}

PanelSums W8Product::Multiply(const std::byte* row, const std::byte* panel, size_t k) {
  const Bf16* x = At<Bf16>(row);
  const float* scales = At<float>(panel, kColumnBytes);
  const int8_t* weights = At<int8_t>(panel, 2 * kColumnBytes);
  PanelSums sums{};
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < kPanelWidth; ++j)
      sums[j] += x[i].ToFloat() * static_cast<float>(weights[i * kPanelWidth + j]);
  }
  for (size_t j = 0; j < kPanelWidth; ++j) sums[j] *= scales[j];
  AddTo(sums, Bias(panel));
  return sums;
}

namespace {

// What a row keeps a value in, and what stands for 0 there.
template <typename Weight>
struct RowValue;
template <>
struct RowValue<int8_t> {
  using Type = uint8_t;
  static constexpr int kZero = IntegerShape::kZero;
};
template <>
struct RowValue<int16_t> {
  using Type = int16_t;
  static constexpr int kZero = 0;
};

template <typename Weight>
IntegerShape RowShape(size_t k) {
  return IntegerShape(k, sizeof(typename RowValue<Weight>::Type));
}

}  // namespace

template <typename Weight>
size_t IntegerProduct<Weight>::PanelBytes(size_t k) {
  const IntegerShape shape(k);
  return WholeLines(kColumnBytes + shape.groups * kColumnBytes + k * kPanelWidth * sizeof(Weight));
}

template <typename Weight>
void IntegerProduct<Weight>::PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                                       std::byte* panel) {
  const IntegerShape shape(rows.cols());
  CopyBias(bias, panel);
  std::vector<float> column(shape.k);
  for (size_t j = 0; j < kPanelWidth; ++j) {
    RotateWeights(rows.row(j), shape.rotation, column.data());
    std::byte* at = panel + kColumnBytes;
    for (size_t g = 0; g < shape.groups; ++g) {
      At<float>(at)[j] = QuantizeColumn(std::span(column).subspan(g * shape.group, shape.length(g)),
                                        At<Weight>(at, kColumnBytes) + j);
      at += kColumnBytes + shape.length(g) * kPanelWidth * sizeof(Weight);
    }
  }
}

template <typename Weight>
size_t IntegerProduct<Weight>::RowBytes(size_t k) {
  return RowShape<Weight>(k).row_bytes();
}

template <typename Weight>
void IntegerProduct<Weight>::QuantizeRows(MatrixView<const float> rows, std::byte* operand) {
  using Value = typename RowValue<Weight>::Type;
  constexpr int kZero = RowValue<Weight>::kZero;
  constexpr float kLargestValue = kLargest<Weight>;
  const IntegerShape shape = RowShape<Weight>(rows.cols());
  std::vector<float> x(shape.k);
  for (size_t i = 0; i < rows.rows(); ++i) {
    std::ranges::copy(rows.row(i), x.begin());
    Rotate(x, shape.rotation);
    std::byte* row = operand + i * shape.row_bytes();
    std::fill_n(At<Value>(row), shape.groups * shape.group, Value{kZero});
    for (size_t g = 0; g < shape.groups; ++g) {
      const std::span<const float> group = std::span(x).subspan(g * shape.group, shape.length(g));
      const float largest = LargestMagnitude(group);
      const float inverse = largest > 0.0f ? kLargestValue / largest : 0.0f;
      Value* out = At<Value>(row) + g * shape.group;
      for (size_t d = 0; d < group.size(); ++d) {
        const float q = std::nearbyint(group[d] * inverse);
        out[d] =
            static_cast<Value>(kZero + (std::abs(q) <= kLargestValue ? static_cast<int>(q) : 0));
      }
      At<float>(row, shape.scales_offset())[g] = largest * (1.0f / kLargestValue);
    }
  }
}

template <typename Weight>
PanelSums IntegerProduct<Weight>::Multiply(const std::byte* row, const std::byte* panel, size_t k) {
  using Value = typename RowValue<Weight>::Type;
  const IntegerShape shape = RowShape<Weight>(k);
  const float* row_scales = At<float>(row, shape.scales_offset());
  PanelSums sums{};
  const std::byte* at = panel + kColumnBytes;
  for (size_t g = 0; g < shape.groups; ++g) {
    const Value* x = At<Value>(row) + g * shape.group;
    const float* scales = At<float>(at);
    const Weight* weights = At<Weight>(at, kColumnBytes);
    for (size_t j = 0; j < kPanelWidth; ++j) {
      int32_t sum = 0;
      for (size_t i = 0; i < shape.length(g); ++i)
        sum += (x[i] - RowValue<Weight>::kZero) * weights[i * kPanelWidth + j];
      sums[j] += static_cast<float>(sum) * scales[j] * row_scales[g];
    }
    at += kColumnBytes + shape.length(g) * kPanelWidth * sizeof(Weight);
  }
  AddTo(sums, Bias(panel));
  return sums;
}

template struct IntegerProduct<int8_t>;
template struct IntegerProduct<int16_t>;

}  // namespace akin::kernels::scalar
