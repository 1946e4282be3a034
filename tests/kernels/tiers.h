// What the kernel tests share: the tiers that can run here, and random matrices of awkward shapes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "akin/matrix_view.h"

#include "base/aligned_buffer.h"
#include "kernels/kernels.h"
#include "support/print.h"

namespace akin {

namespace kernels {

// Every tier that this machine can run, and "auto" for none other.
inline std::vector<Isa> UsableIsas() {
  std::vector<Isa> isas;
  for (const IsaStatus& status : ListIsas()) {
    if (status.usable) isas.push_back(status.isa);
  }
  return isas;
}

inline std::string IsaTestName(const testing::TestParamInfo<Isa>& info) {
  std::string name(IsaName(info.param));
  std::ranges::replace(name, '-', '_');  // A test's name takes no hyphen.
  return name;
}

// A tier with a precision.
struct TierPrecision {
  Isa isa;
  Precision precision;
};
inline void PrintTo(const TierPrecision& tier, std::ostream* out) {
  *out << IsaName(tier.isa) << ' ' << PrecisionName(tier.precision);
}

inline std::vector<TierPrecision> UsableTierPrecisions() {
  std::vector<TierPrecision> tiers;
  for (const Isa isa : UsableIsas()) {
    for (const Precision precision : kPrecisions) tiers.push_back({isa, precision});
  }
  return tiers;
}

// Those whose table has a property.
template <typename Predicate>
std::vector<TierPrecision> TierPrecisionsWhere(Predicate holds) {
  std::vector<TierPrecision> tiers;
  for (const TierPrecision& tier : UsableTierPrecisions()) {
    if (holds(SelectKernels(tier.isa, tier.precision).value())) tiers.push_back(tier);
  }
  return tiers;
}

inline std::string TierPrecisionTestName(const testing::TestParamInfo<TierPrecision>& info) {
  std::string name(IsaName(info.param.isa));
  std::ranges::replace(name, '-', '_');
  return name + '_' + std::string(PrecisionName(info.param.precision));
}

// A matrix whose rows are `stride` apart, with a guard value in the gaps that kernels must not
// touch.
class TestMatrix {
 public:
  static constexpr float kGuard = 12345.0f;

  TestMatrix(size_t rows, size_t cols, size_t stride)
      : rows_(rows), cols_(cols), stride_(stride), values_(rows * stride + 64, kGuard) {}

  template <typename Generator>
  TestMatrix& Fill(Generator& generator, float scale = 1.0f) {
    std::normal_distribution<float> normal(0.0f, scale);
    for (size_t r = 0; r < rows_; ++r) {
      for (float& x : view().row(r)) x = normal(generator);
    }
    return *this;
  }

  MatrixView<float> view() { return {values_.data(), rows_, cols_, stride_}; }
  MatrixView<const float> view() const { return {values_.data(), rows_, cols_, stride_}; }
  bool GuardsIntact() const {
    for (size_t i = 0; i < values_.size(); ++i) {
      const size_t row = i / stride_, col = i % stride_;
      const bool inside = row < rows_ && col < cols_;
      if (!inside && values_[i] != kGuard) return false;
    }
    return true;
  }

 private:
  size_t rows_, cols_, stride_;
  std::vector<float> values_;
};

// `weight` [n, k] and `bias` [n] in the layout of the tier.
class TestLinear {
 public:
  TestLinear(const Kernels& kernels, MatrixView<const float> weight, std::span<const float> bias)
      : memory_(PackedBytes(kernels, weight.rows(), weight.cols())),
        packed_{memory_.As<std::byte>().data(), weight.rows(), weight.cols()} {
    const size_t width = kernels.linear.panel_width, k = weight.cols();
    for (size_t p = 0; p < NumPanels(kernels, weight.rows()); ++p) {
      std::vector<float> rows(width * k, 0.0f), panel_bias(width, 0.0f);
      for (size_t j = 0; j < width && p * width + j < weight.rows(); ++j) {
        std::copy_n(weight.row(p * width + j).data(), k, rows.data() + j * k);
        panel_bias[j] = bias[p * width + j];
      }
      kernels.linear.pack_panel({rows.data(), width, k}, panel_bias,
                                memory_.As<std::byte>().data() + p * kernels.linear.panel_bytes(k));
    }
  }
  const PackedLinear& packed() const { return packed_; }

 private:
  AlignedBuffer memory_;
  PackedLinear packed_;
};

// A gate and its values, `weight` [2 * n, k] and `bias` [2 * n], in the layout of the tier.
class TestGated {
 public:
  TestGated(const Kernels& kernels, MatrixView<const float> weight, std::span<const float> bias)
      : packed_{nullptr, weight.rows() / 2, weight.cols(), true},
        memory_(PackedBytes(kernels, packed_)) {
    packed_.panels = memory_.As<std::byte>().data();
    const size_t width = kernels.linear.panel_width, k = weight.cols(), n = packed_.n;
    for (size_t p = 0; p < NumPanels(kernels, packed_); ++p) {
      std::vector<float> rows(width * k, 0.0f), panel_bias(width, 0.0f);
      for (size_t j = 0; j < width; ++j) {
        const size_t column = p * (width / 2) + j % (width / 2);
        if (column >= n) continue;
        const size_t from = j < width / 2 ? column : n + column;
        std::copy_n(weight.row(from).data(), k, rows.data() + j * k);
        panel_bias[j] = bias[from];
      }
      kernels.linear.pack_panel({rows.data(), width, k}, panel_bias,
                                memory_.As<std::byte>().data() + p * kernels.linear.panel_bytes(k));
    }
  }
  const PackedLinear& packed() const { return packed_; }

 private:
  PackedLinear packed_;
  AlignedBuffer memory_;
};

// `rows` as input of a product, with nothing readable behind the last one.
class TestOperand {
 public:
  TestOperand(const Kernels& kernels, MatrixView<const float> rows) : rows_(rows.rows()) {
    const size_t cols = rows.cols();
    switch (kernels.linear.operand) {
      case OperandKind::kF32: row_bytes_ = cols * sizeof(float); break;
      case OperandKind::kBf16: row_bytes_ = (cols + 1) / 2 * 2 * sizeof(Bf16); break;
      case OperandKind::kQuantized: row_bytes_ = kernels.linear.operand_bytes(cols); break;
    }
    memory_ = AlignedBuffer(rows_ * row_bytes_);
    std::byte* data = memory_.As<std::byte>().data();
    std::ranges::fill(memory_.As<std::byte>(), std::byte{});
    switch (kernels.linear.operand) {
      case OperandKind::kF32:
        for (size_t i = 0; i < rows_; ++i)
          std::ranges::copy(rows.row(i), reinterpret_cast<float*>(data + i * row_bytes_));
        break;
      case OperandKind::kBf16:
        kernels.to_bf16(rows,
                        {reinterpret_cast<Bf16*>(data), rows_, cols, row_bytes_ / sizeof(Bf16)});
        break;
      case OperandKind::kQuantized: kernels.linear.quantize_rows(rows, data); break;
    }
  }
  Operand operand() const { return {memory_.As<std::byte>().data(), rows_, row_bytes_}; }

 private:
  size_t rows_;
  size_t row_bytes_ = 0;
  AlignedBuffer memory_;
};

}  // namespace kernels
}  // namespace akin
