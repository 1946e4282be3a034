// What the kernel tests share: the tiers that can run here, and random matrices of awkward shapes.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
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
  return std::string(IsaName(info.param));
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
      : memory_(PackedFloats(kernels, weight.rows(), weight.cols()) * sizeof(float)),
        packed_{memory_.As<float>().data(), weight.rows(), weight.cols()} {
    const size_t width = kernels.panel_width, k = weight.cols();
    for (size_t p = 0; p < NumPanels(kernels, weight.rows()); ++p) {
      std::vector<float> rows(width * k, 0.0f), panel_bias(width, 0.0f);
      for (size_t j = 0; j < width && p * width + j < weight.rows(); ++j) {
        std::copy_n(weight.row(p * width + j).data(), k, rows.data() + j * k);
        panel_bias[j] = bias[p * width + j];
      }
      kernels.pack_panel({rows.data(), width, k}, panel_bias,
                         memory_.As<float>().data() + p * width * (k + 1));
    }
  }
  const PackedLinear& packed() const { return packed_; }

 private:
  AlignedBuffer memory_;
  PackedLinear packed_;
};

}  // namespace kernels
}  // namespace akin
